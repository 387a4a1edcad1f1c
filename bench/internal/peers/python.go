package peers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed peers.py
var script []byte

// Python is an environment that holds the peers.
type Python struct {
	dir     string
	threads int
	lightFM error // why LightFM is not there
}

// steps install the peers. LightFM 1.17 is a source package of 2023: it builds with the
// setuptools, NumPy and Cython of that time, in the way pip had then.
var steps = [][]string{
	{"pip==23.3.2", "setuptools==69.5.1", "wheel==0.43.0"},
	{"numpy==1.26.4", "scipy==1.13.1", "implicit==0.7.3"},
}

var lightFMSteps = [][]string{
	{"cython==0.29.37"},
	{"--no-build-isolation", "--no-use-pep517", "lightfm==1.17"},
}

// Environment returns the interpreter of a virtual environment in a folder. Unless check, a line of
// Python, ends well there, each of steps is installed by one run of pip; what is there already
// stays, so that packages may come one after another.
func Environment(ctx context.Context, folder, check string, steps ...[]string) (program string, err error) {
	program = filepath.Join(folder, "bin", "python")
	if exec.CommandContext(ctx, program, "-c", check).Run() == nil {
		return program, nil
	}
	if _, err := os.Stat(program); err != nil {
		if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
			return "", err
		}
		if err := execute(ctx, "python3", "-m", "venv", folder); err != nil {
			return "", err
		}
	}
	for _, packages := range steps {
		fmt.Fprintf(os.Stderr, "installing %s into %s\n", strings.Join(packages, " "), folder)
		if err := execute(ctx, program, append([]string{"-m", "pip", "install", "-q", "--disable-pip-version-check"}, packages...)...); err != nil {
			return "", err
		}
	}
	return program, nil
}

// Install makes the environment below a cache directory unless it is there. A LightFM that does
// not build is reported when it is asked for.
func Install(ctx context.Context, cache string, threads int) (*Python, error) {
	p := &Python{dir: filepath.Join(cache, "peers"), threads: threads}
	if _, err := Environment(ctx, p.dir, "import implicit, scipy", steps...); err != nil {
		return nil, err
	}
	_, p.lightFM = Environment(ctx, p.dir, "import lightfm", lightFMSteps...)
	return p, nil
}

func (p *Python) program() string { return filepath.Join(p.dir, "bin", "python") }

// execute runs a program; its error carries the last line that was printed.
func execute(ctx context.Context, name string, args ...string) error {
	_, err := output(exec.CommandContext(ctx, name, args...))
	return err
}

func output(command *exec.Cmd) ([]byte, error) {
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()+string(out)), "\n")
		err = fmt.Errorf("%s: %w", strings.Join(command.Args, " "), errors.Join(err, errors.New(lines[len(lines)-1])))
	}
	return out, err
}
