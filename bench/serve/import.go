package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
)

// loadedDatabase holds the imported catalogue.
const loadedDatabase = "loaded"

// faultsFound is the exit status of an import that loaded all but some rows.
const faultsFound = 2

// measureImport loads the whole pack into an empty database with the program's own command.
func (b *bench) measureImport(ctx context.Context) error {
	database, err := b.cluster.Create(ctx, loadedDatabase)
	if err != nil {
		return err
	}
	cmd := b.program.Command(ctx, database, "import", "--json", "--items", b.pack.itemsCSV(), "--interactions", b.pack.interactionsCSV())
	var out strings.Builder
	cmd.Stdout = &out
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	start, postgres := time.Now(), b.cluster.CPUSeconds()
	if err := cmd.Start(); err != nil {
		return err
	}
	stages, last := readStages(log, start)
	err = cmd.Wait()
	if failed := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &failed) || failed.ExitCode() != faultsFound) {
		return serving.WithOutput(err, last)
	}
	i := imported{wall: time.Since(start), postgres: b.cluster.CPUSeconds() - postgres, process: cmd.ProcessState, stages: stages}
	// What was fitted and trained follows as values of their own.
	if err := json.NewDecoder(strings.NewReader(out.String())).Decode(&i); err != nil {
		return fmt.Errorf("report of the import: %w", err)
	}
	i.print(b.report)
	return nil
}

func (i imported) print(r *serving.Report) {
	r.Section("vitrine import, space and factor model included")
	r.Text("loaded", "%d items (%d without a picture), %d interactions; %d faults", i.Items.Loaded, i.Items.WithoutImage,
		i.Interactions.Loaded, i.Items.FaultCount+i.Interactions.FaultCount)
	r.Value("import_wall_s", "wall time, s", i.wall.Seconds(), "")
	cpu := i.process.UserTime() + i.process.SystemTime()
	r.Value("import_cpu_s", "CPU time, s", cpu.Seconds(), fmt.Sprintf("PostgreSQL %.1f s beside it", i.postgres))
	if usage, ok := i.process.SysUsage().(*syscall.Rusage); ok {
		r.Value("import_peak_rss_mb", "peak resident memory, MiB", float64(usage.Maxrss)/1024, "")
	}
	for _, s := range i.stages {
		r.Text("  "+s.name, "%6.2f s", s.took.Seconds())
		switch s.name {
		case itemStage:
			r.Value("import_items_per_s", "  items per second", float64(i.Items.Loaded)/s.took.Seconds(), "")
		case interactionStage:
			r.Value("import_interactions_per_s", "  interactions per second", float64(i.Interactions.Loaded)/s.took.Seconds(), "")
		}
	}
}

// imported is what the command prints, and what it took.
type imported struct {
	wall     time.Duration
	postgres float64 // CPU seconds
	process  *os.ProcessState
	stages   []stage

	Items, Interactions struct {
		Loaded       int64 `json:"loaded"`
		WithoutImage int64 `json:"without_image"`
		FaultCount   int64 `json:"fault_count"`
	}
}

// The stages whose rates are printed, as the command names them.
const (
	itemStage        = "import items"
	interactionStage = "import interactions"
)

// stage is one part of the import, from the last progress line before it to its own last one.
type stage struct {
	name string
	took time.Duration
}

// readStages reads the command's progress lines, "NAME DONE/TOTAL", as they come, and returns
// the stages in order and the last line of all.
func readStages(log io.Reader, start time.Time) (stages []stage, last string) {
	line := regexp.MustCompile(`^(.+) \d+/\d+$`)
	before, at := start, start // end of the stage before, and the latest line
	for lines := bufio.NewScanner(log); lines.Scan(); {
		last = lines.Text()
		match := line.FindStringSubmatch(last)
		if match == nil {
			continue
		}
		if n := len(stages); n == 0 || stages[n-1].name != match[1] {
			before = at
			stages = append(stages, stage{name: match[1]})
		}
		at = time.Now()
		stages[len(stages)-1].took = at.Sub(before)
	}
	return stages, last
}
