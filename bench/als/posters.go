package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
)

// readPosters reads items.csv and interactions.csv of the poster pack; the pictures are not used.
func readPosters(dir string) (evaluate.Dataset, error) {
	row := map[uint64]int32{}
	var ids []uint64
	err := eachRecord(filepath.Join(dir, "items.csv"), []string{"item_id"}, func(cells []string) error {
		id, err := strconv.ParseUint(cells[0], 10, 64)
		row[id] = int32(len(ids))
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return evaluate.Dataset{}, err
	}
	ratings := collector{positives: map[uint64][]int32{}}
	err = eachRecord(filepath.Join(dir, "interactions.csv"), []string{"user", "item", "value"},
		func(cells []string) error { return ratings.add(cells, row) })
	if err != nil {
		return evaluate.Dataset{}, err
	}
	d := ratings.dataset(ids)
	return d, d.Validate()
}

// eachRecord calls each with the named columns of every record.
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
	place := make([]int, len(columns))
	for k, name := range columns {
		if place[k] = slices.Index(header, name); place[k] < 0 {
			return fmt.Errorf("%s has no column %s", path, name)
		}
	}
	cells := make([]string, len(columns))
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for k, p := range place {
			cells[k] = record[p]
		}
		if err := each(cells); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}
