package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

//go:embed peer.py
var peerScript []byte

// peer is implicit 0.7.3 in a Python environment of its own.
type peer struct{ dir string }

type peerConfig struct{ alpha, regularization float64 }

func (p *peer) python() string { return filepath.Join(p.dir, "bin", "python") }

// install makes the environment unless it works already.
func (p *peer) install(ctx context.Context) error {
	if exec.CommandContext(ctx, p.python(), "-c", "import implicit").Run() == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(p.dir), 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", p.dir},
		{p.python(), "-m", "pip", "install", "-q", "--only-binary=:all:", "implicit==0.7.3"},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args, " "), withOutput(err, out))
		}
	}
	return nil
}

// run trains and scores one fold and adds it to the table.
func (p *peer) run(ctx context.Context, c peerConfig, cfg als.Config, run foldRun) error {
	folder, err := os.MkdirTemp("", "bench-als-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	items := len(run.evaluation.Data.ItemIDs)
	foldIn := make([][]int32, len(run.fold.Test))
	for k, test := range run.fold.Test {
		foldIn[k] = test.FoldIn
	}
	if err := errors.Join(writePairs(filepath.Join(folder, "train.csv"), run.train, items),
		writePairs(filepath.Join(folder, "foldin.csv"), foldIn, items)); err != nil {
		return err
	}
	cpu, err := p.train(ctx, c, cfg, folder)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(folder, "scores.f32"))
	if err != nil {
		return err
	}
	all, err := vecmath.FromBytes(raw)
	if err != nil {
		return err
	}
	if len(all) != items*len(foldIn) {
		return fmt.Errorf("%d scores, want %d", len(all), items*len(foldIn))
	}
	report := run.evaluation.Evaluate(run.fold.Test, func(k int, scores []float32) { copy(scores, all[k*items:]) })
	run.table.add(fmt.Sprintf("implicit 0.7.3, α %g, reg %g", c.alpha, c.regularization), report, cpu)
	return nil
}

// train runs the script on the files in folder and returns the CPU seconds an epoch took.
func (p *peer) train(ctx context.Context, c peerConfig, cfg als.Config, folder string) (float64, error) {
	script := filepath.Join(folder, "peer.py")
	if err := os.WriteFile(script, peerScript, 0o600); err != nil {
		return 0, err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	out, err := exec.CommandContext(ctx, p.python(), script, folder, strconv.Itoa(cfg.Factors), number(c.alpha),
		number(c.regularization), strconv.Itoa(cfg.Epochs), strconv.Itoa(max(cfg.Workers, 1))).Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return 0, withOutput(err, failed.Stderr)
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// writePairs writes "rows,items", then a line for every pair.
func writePairs(path string, rows [][]int32, items int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	fmt.Fprintf(w, "%d,%d\n", len(rows), items)
	for row, columns := range rows {
		for _, column := range columns {
			fmt.Fprintf(w, "%d,%d\n", row, column)
		}
	}
	if err := w.Flush(); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
