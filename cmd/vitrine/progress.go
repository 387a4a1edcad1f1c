package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far long work has come: a bar on a terminal, now and then a plain line
// otherwise. Not safe for concurrent use.
type progress struct {
	out      io.Writer
	terminal bool
	stage    string
	bar      *progressbar.ProgressBar
	printed  time.Time
}

func newProgress() *progress {
	return &progress{out: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd()))}
}

// plainEvery is how often a plain line is printed within a stage.
const plainEvery = 5 * time.Second

// update tells where a stage stands; it is an engine.Progress, to which a total of 0 is not known.
func (p *progress) update(stage string, done, total int) {
	if p.terminal {
		p.draw(stage, done, total)
		return
	}
	if last := total > 0 && done >= total; stage != p.stage || last || time.Since(p.printed) >= plainEvery {
		p.stage, p.printed = stage, time.Now()
		if total > 0 {
			fmt.Fprintf(p.out, "%s %d/%d\n", stage, done, total)
		} else {
			fmt.Fprintf(p.out, "%s %d\n", stage, done)
		}
	}
}

func (p *progress) draw(stage string, done, total int) {
	if stage != p.stage || p.bar == nil {
		p.end()
		p.stage = stage
		if total == 0 {
			total = -1 // as the library has it
		}
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(stage),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(65*time.Millisecond))
	}
	_ = p.bar.Set(done) // a bar that cannot be drawn must not end the work
}

// end finishes the line of the bar.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		fmt.Fprintln(p.out)
		p.bar = nil
	}
}
