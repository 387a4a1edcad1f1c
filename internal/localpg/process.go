package localpg

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child that dies with this process (on Linux) and is always reaped.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once err is set
	err  error         // of Wait
}

// spawn starts cmd in a process group of its own, under acct, with death sent to
// it when this process ends: a terminal's ^C is then ours to pass on, in order.
func spawn(cmd *exec.Cmd, acct account, death syscall.Signal) (*process, error) {
	cmd.SysProcAttr = attributes(acct, death)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties the death signal to the thread that forked
		// (golang.org/issue/27505): hold that thread until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// ended is p.done; of no process it is a channel that never closes.
func (p *process) ended() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.done
}

func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// wait returns what Wait said, or kills the child when ctx ends first.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.signal(syscall.SIGKILL)
		<-p.done
		return context.Cause(ctx)
	}
}

// stop shuts a server down: fast (sessions are rolled back), after grace immediately
// (recovered at the next start), at last by SIGKILL. It returns once it has ended.
func (p *process) stop(grace time.Duration) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, grace}, {syscall.SIGQUIT, grace / 4}} {
		p.signal(step.signal)
		select {
		case <-p.done:
			if p.err != nil {
				return fmt.Errorf("stop PostgreSQL: %w", p.err)
			}
			return nil
		case <-time.After(step.wait):
		}
	}
	p.signal(syscall.SIGKILL)
	<-p.done
	return fmt.Errorf("stop PostgreSQL: it had to be killed: %w", p.err)
}

// signal cannot hit a stranger: os.Process knows when the child has been reaped.
func (p *process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }
