package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Features is where rows come from: *engine.Features.
type Features interface {
	Items(ctx context.Context, q engine.FeatureQuery, itemIDs []string, each func(engine.FeatureVersions, engine.ItemFeatures) error) (engine.FeatureVersions, error)
	Users(ctx context.Context, q engine.FeatureQuery, actors []recsys.Actor, each func(engine.FeatureVersions, engine.UserFeatures) error) (engine.FeatureVersions, error)
	// Unknown counts the items that Items passes over because what they were is not known.
	Unknown(ctx context.Context, asOf time.Time) (int64, error)
}

// rowGroup is how many rows are gathered in memory: some 60 MB of items.
const rowGroup = 8192

// Summary tells what a file holds.
type Summary struct {
	Rows     int64
	Versions engine.FeatureVersions
	Unknown  int64 // items left out because what they were at the time is not known
}

// create writes a file of rows aside and renames it into place once it is whole.
func create[Row any](name string, fill func(add func(Row) error) (Summary, error)) (done Summary, err error) {
	file, err := os.Create(fmt.Sprintf("%s.%d.part", name, os.Getpid()))
	if err != nil {
		return done, fmt.Errorf("create %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	done, err = writeRows(file, fill)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return done, err
	}
	return done, os.Rename(file.Name(), name)
}

func writeRows[Row any](to io.Writer, fill func(add func(Row) error) (Summary, error)) (Summary, error) {
	w := parquet.NewGenericWriter[Row](to, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(rowGroup),
		parquet.CreatedBy("vitrine", "", ""))
	one := make([]Row, 1)
	done, err := fill(func(row Row) error {
		one[0] = row
		_, err := w.Write(one)
		return err
	})
	if err != nil {
		return done, err
	}
	for key, value := range map[string]string{
		"vitrine.as_of_time":      done.Versions.AsOf.Format(time.RFC3339Nano),
		"vitrine.embedding_space": done.Versions.Space.String(),
		"vitrine.encoder":         done.Versions.Encoder,
		"vitrine.factor_model":    done.Versions.Model.String(),
		"vitrine.unknown_items":   strconv.FormatInt(done.Unknown, 10),
	} {
		w.SetKeyValueMetadata(key, value)
	}
	return done, w.Close()
}

// optional is the column value of a time: null for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
