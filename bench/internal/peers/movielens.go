package peers

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/trial"
)

const wheel = "recbole-1.2.1-py3-none-any.whl"

// table is one of the wheel's, and the file that it becomes: its header, and which cells make a row.
type table struct {
	name, file string
	header     []string
	columns    []int
}

var movieLens = []table{
	{"ml-100k.item", "items.csv", []string{"item_id", "title", "year", "genres"}, []int{0, 1, 2, 3}},
	{"ml-100k.inter", "interactions.csv", []string{"user", "item", "value", "timestamp"}, []int{0, 1, 2, 3}},
}

// FetchMovieLens makes import files of MovieLens 100K below a cache directory. It may not be
// redistributed and is taken from the wheel of recbole 1.2.1, fetched by name through pip.
func FetchMovieLens(ctx context.Context, cache string) (trial.Files, error) {
	dir := filepath.Join(cache, "ml-100k")
	files := trial.Files{Items: filepath.Join(dir, movieLens[0].file), Interactions: filepath.Join(dir, movieLens[1].file)}
	if _, err := os.Stat(files.Interactions); err == nil {
		return files, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return files, err
	}
	if _, err := os.Stat(filepath.Join(cache, wheel)); err != nil {
		if err := execute(ctx, "python3", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q", "-d", cache, "recbole==1.2.1"); err != nil {
			return files, err
		}
	}
	archive, err := zip.OpenReader(filepath.Join(cache, wheel))
	if err != nil {
		return files, fmt.Errorf("open %s: %w", wheel, err)
	}
	defer archive.Close()
	for _, t := range movieLens {
		if err := t.extract(&archive.Reader, dir); err != nil {
			return files, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return files, nil
}

// extract writes a table of the wheel as CSV; the file appears when it is whole.
func (t table) extract(archive *zip.Reader, dir string) (err error) {
	content, err := archive.Open("recbole/dataset_example/ml-100k/" + t.name)
	if err != nil {
		return err
	}
	defer content.Close()
	file, err := os.CreateTemp(dir, t.file)
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := t.convert(content, file); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(dir, t.file))
}

// convert reads tab-separated cells; labels within a cell are parted by blanks there, by bars here.
func (t table) convert(from io.Reader, to io.Writer) error {
	out := csv.NewWriter(to)
	lines := bufio.NewScanner(from)
	for n := 1; lines.Scan(); n++ {
		row := t.header
		if n > 1 {
			cells := strings.Split(lines.Text(), "\t")
			row = make([]string, len(t.columns))
			for k, column := range t.columns {
				if column >= len(cells) {
					return fmt.Errorf("line %d has %d cells, want %d", n, len(cells), len(t.columns))
				}
				row[k] = cells[column]
				if t.header[k] == "genres" {
					row[k] = strings.ReplaceAll(cells[column], " ", "|")
				}
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return lines.Err()
}
