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
	"strings"
)

// readPosters reads items.csv and interactions.csv of the poster pack; the pictures are not used.
func readPosters(dir string) (catalog, error) {
	var m catalog
	row := map[uint64]int32{}
	err := eachRecord(filepath.Join(dir, "items.csv"), []string{"item_id", "genres", "year"}, func(cells []string) error {
		id, err := strconv.ParseUint(cells[0], 10, 64)
		if err != nil {
			return err
		}
		year, err := strconv.Atoi(cells[2])
		row[id] = int32(len(m.data.ItemIDs))
		m.data.ItemIDs = append(m.data.ItemIDs, id)
		m.genres = append(m.genres, strings.FieldsFunc(cells[1], func(r rune) bool { return r == '|' }))
		m.year = append(m.year, year)
		return err
	})
	if err != nil {
		return m, err
	}
	ratings := collector{positives: map[uint64][]int32{}}
	err = eachRecord(filepath.Join(dir, "interactions.csv"), []string{"user", "item", "value"},
		func(cells []string) error { return ratings.add(cells, row) })
	if err != nil {
		return m, err
	}
	m.data = ratings.dataset(m.data.ItemIDs)
	return m, m.data.Validate()
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
