package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/demo"
)

// pack is a catalogue on disk.
type pack struct {
	name     string // for people
	dir      string // of items.csv, interactions.csv and what the image column names
	kept     string // interactions.csv without those of cold items; "" for all
	items    []string
	pictures []picture // different contents only, in the order of the table
	users    []string  // each once, by first appearance
}

type picture struct{ itemID, title, path string }

func (p pack) itemsCSV() string { return filepath.Join(p.dir, "items.csv") }
func (p pack) interactionsCSV() string {
	return cmp.Or(p.kept, filepath.Join(p.dir, "interactions.csv"))
}

// openPack reads the pack in dir or, where there is none, writes the demo gallery below scratch.
func openPack(dir, scratch string) (pack, error) {
	p := pack{dir: dir}
	source := "poster pack"
	if _, err := os.Stat(p.itemsCSV()); errors.Is(err, os.ErrNotExist) {
		source = fmt.Sprintf("bundled demo gallery (%s holds no items.csv)", dir)
		p.dir = filepath.Join(scratch, "gallery")
		if err := writeDemo(p); err != nil {
			return p, fmt.Errorf("demo gallery: %w", err)
		}
	}
	if err := p.readItems(); err != nil {
		return p, err
	}
	interactions, seen := 0, map[string]bool{}
	err := eachRecord(p.interactionsCSV(), []string{"user"}, func(cells []string) error {
		interactions++
		if user := cells[0]; !seen[user] {
			seen[user] = true
			p.users = append(p.users, user)
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	if len(p.items) == 0 || len(p.users) == 0 {
		return p, fmt.Errorf("%s: want items and interactions", p.dir)
	}
	p.name = fmt.Sprintf("%s: %d items, %d different pictures, %d interactions of %d users", source, len(p.items), len(p.pictures), interactions, len(p.users))
	return p, nil
}

// readItems keeps pictures that differ in content: the store does not encode one twice.
func (p *pack) readItems() error {
	seen := map[[sha256.Size]byte]bool{}
	return eachRecord(p.itemsCSV(), []string{"item_id", "title", "image"}, func(cells []string) error {
		p.items = append(p.items, cells[0])
		if cells[2] == "" {
			return nil
		}
		path := filepath.Join(p.dir, filepath.FromSlash(cells[2]))
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(content); !seen[sum] {
			seen[sum] = true
			p.pictures = append(p.pictures, picture{cells[0], cells[1], path})
		}
		return nil
	})
}

// sample is n different pictures, or as many as there are.
func (p pack) sample(n int, seed uint64) []picture {
	shuffled := slices.Clone(p.pictures)
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	return shuffled[:min(n, len(shuffled))]
}

// leaveCold drops the interactions of a share of the items, chosen by seed, so that what comes of
// them comes from their content.
func (p *pack) leaveCold(share float64, seed uint64, scratch string) error {
	cold := map[string]bool{}
	rng := rand.New(rand.NewPCG(seed, 3))
	for _, item := range p.items {
		if rng.Float64() < share {
			cold[item] = true
		}
	}
	content, err := os.ReadFile(p.interactionsCSV())
	if err != nil {
		return err
	}
	records, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", p.interactionsCSV(), err)
	}
	column := slices.Index(records[0], "item")
	if column < 0 {
		return fmt.Errorf("%s has no column item", p.interactionsCSV())
	}
	kept := slices.DeleteFunc(slices.Clone(records), func(record []string) bool { return cold[record[column]] })
	p.name += fmt.Sprintf("; %d interactions of %d items left out", len(records)-len(kept), len(cold))
	p.kept = filepath.Join(scratch, "kept.csv")
	var out bytes.Buffer
	if err := csv.NewWriter(&out).WriteAll(kept); err != nil {
		return err
	}
	return os.WriteFile(p.kept, out.Bytes(), 0o600)
}

func writeDemo(p pack) error {
	if err := os.CopyFS(p.dir, demo.Gallery().ImageFS); err != nil {
		return err
	}
	source, err := demo.Interactions()
	if err != nil {
		return err
	}
	table, err := source.Open()
	if err != nil {
		return err
	}
	defer table.Close()
	content, err := io.ReadAll(table)
	if err != nil {
		return err
	}
	return os.WriteFile(p.interactionsCSV(), content, 0o644)
}

// eachRecord calls each with the named columns of every record after the header; cells are reused.
func eachRecord(path string, columns []string, each func(cells []string) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := csv.NewReader(file)
	header, err := reader.Read()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	places, cells := make([]int, len(columns)), make([]string, len(columns))
	for k, name := range columns {
		if places[k] = slices.Index(header, name); places[k] < 0 {
			return fmt.Errorf("%s has no column %s", path, name)
		}
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for k, place := range places {
			cells[k] = record[place]
		}
		if err := each(cells); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}
