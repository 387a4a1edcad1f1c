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

// Install makes the environment below a cache directory unless it is there. A LightFM that does
// not build is reported when it is asked for.
func Install(ctx context.Context, cache string, threads int) (*Python, error) {
	p := &Python{dir: filepath.Join(cache, "peers"), threads: threads}
	if !p.imports(ctx, "implicit, scipy") {
		if err := os.MkdirAll(cache, 0o755); err != nil {
			return nil, err
		}
		if err := execute(ctx, "python3", "-m", "venv", "--clear", p.dir); err != nil {
			return nil, err
		}
		if err := p.install(ctx, steps); err != nil {
			return nil, err
		}
	}
	if !p.imports(ctx, "lightfm") {
		p.lightFM = p.install(ctx, lightFMSteps)
	}
	return p, nil
}

func (p *Python) program() string { return filepath.Join(p.dir, "bin", "python") }

func (p *Python) imports(ctx context.Context, modules string) bool {
	return exec.CommandContext(ctx, p.program(), "-c", "import "+modules).Run() == nil
}

func (p *Python) install(ctx context.Context, steps [][]string) error {
	for _, packages := range steps {
		if err := execute(ctx, p.program(), append([]string{"-m", "pip", "install", "-q"}, packages...)...); err != nil {
			return err
		}
	}
	return nil
}

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
