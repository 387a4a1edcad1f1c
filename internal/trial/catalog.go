package trial

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/ingest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// All returns the interactions in the order of arrival.
func (s *Store) All() []recsys.Interaction {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.interactions
}

// FromStore copies what trials need out of a shop's store. textEncoder is the name of the text
// encoder, "" if there is none.
func FromStore(ctx context.Context, from engine.Store, encoder engine.Encoder, textEncoder string) (Catalog, []recsys.Interaction, error) {
	store, err := Copy(ctx, from, encoder.Name(), textEncoder)
	if err != nil {
		return Catalog{}, nil, err
	}
	var log []recsys.Interaction
	same := make(map[string]string) // ids are many times fewer than interactions
	_, err = from.Interactions(ctx, engine.InteractionFilter{}, func(in recsys.Interaction) error {
		in.Actor.ID, in.ItemID, in.RecommendationID = intern(same, in.Actor.ID), intern(same, in.ItemID), ""
		log = append(log, in)
		return ctx.Err()
	})
	if err != nil {
		return Catalog{}, nil, fmt.Errorf("copy interactions: %w", err)
	}
	return Catalog{Store: store, EncoderName: encoder.Name(), EncoderDims: encoder.Dims(), TextEncoder: textEncoder}, log, nil
}

func intern(same map[string]string, id string) string {
	if known, ok := same[id]; ok {
		return known
	}
	same[id] = id
	return id
}

// Files are CSV files as vitrine import reads them.
type Files struct {
	Items, Interactions string    // the latter may be empty: none are read
	Images              string    // folder that image paths start from; empty: pictures are left out
	Pictures            *Pictures // to keep small copies of the pictures in; nil: none are kept
}

// FromFiles imports files into memory through the engine, with the encoders of deps; what else
// is in deps is not used. The reports tell the rows that were at fault and left out, as those of
// vitrine import.
func FromFiles(ctx context.Context, files Files, config engine.Config, deps engine.Deps, progress engine.Progress) (Catalog, [2]ingest.Report, error) {
	var reports [2]ingest.Report
	catalog := Catalog{Store: NewStore(), EncoderName: deps.Encoder.Name(), EncoderDims: deps.Encoder.Dims()}
	deps.Store, deps.Log, deps.Now = catalog.Store, slog.New(slog.DiscardHandler), time.Now
	e, err := engine.New(config, deps)
	if err != nil {
		return Catalog{}, reports, err
	}
	catalog.TextEncoder = e.TextEncoder()
	if err := e.Load(ctx); err != nil {
		return Catalog{}, reports, err
	}
	settings := ingest.DefaultConfig()
	settings.Progress = func(done, total int64) { progress("read items", int(done), int(total)) }
	source := ingest.ItemSource{Table: ingest.File(files.Items), Images: files.Images, WithoutImages: files.Images == ""}
	var sink ingest.Sink = e
	if files.Pictures != nil {
		sink = keeping{e, files.Pictures}
	}
	if reports[0], err = ingest.Items(ctx, source, sink, settings); err != nil {
		return Catalog{}, reports, fmt.Errorf("read items: %w", err)
	}
	if files.Interactions == "" {
		return catalog, reports, nil
	}
	settings.Progress = func(done, total int64) { progress("read interactions", int(done), int(total)) }
	if reports[1], err = ingest.Interactions(ctx, ingest.File(files.Interactions), e, settings); err != nil {
		return Catalog{}, reports, fmt.Errorf("read interactions: %w", err)
	}
	return catalog, reports, nil
}
