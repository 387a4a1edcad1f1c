package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/filter"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// Engine is the recommender. All methods are safe for concurrent use; Load comes first.
type Engine struct {
	config   Config
	store    Store
	encoder  Encoder // of a shop that has no space yet
	encoders Encoders
	texts    TextEncoder // nil: texts are not embedded
	log      *slog.Logger
	now      func() time.Time

	state   atomic.Pointer[State]
	numbers *numbers
	history *historyCache
	filters *filter.Cache
	decode  chan struct{} // one slot per picture being decoded

	mu      sync.Mutex // held to build and publish the next State
	syncing sync.Mutex // held while the change log is read and applied
	wake    chan struct{}
	touched touchedItems

	overlooked struct{ unseen, wrong atomic.Int64 } // see Stats

	bitsets sync.Pool // of *bitset
	scans   sync.Pool // of *factorScan

	recall recallMeter
	meter  Meter      // nil: nobody is told
	saving sync.Mutex // held while the index is saved
	saved  ann.Index  // what is in Config.IndexFile
}

// Deps are what the engine works with; all but Encoders, TextEncoder and Meter are required.
type Deps struct {
	Store       Store
	Encoder     Encoder     // of a shop that has no embedding space yet
	Encoders    Encoders    // opens others; nil: there are none
	TextEncoder TextEncoder // nil: texts are not embedded
	Log         *slog.Logger
	Now         func() time.Time
	Meter       Meter // is told how long requests take; nil: nobody is
}

// New returns an engine that holds nothing yet. ErrInvalid lists every fault of config.
func New(config Config, deps Deps) (*Engine, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("engine settings: %w", err)
	}
	e := &Engine{
		config: config, store: deps.Store, encoder: deps.Encoder, encoders: deps.Encoders, texts: deps.TextEncoder, log: deps.Log, now: deps.Now,
		numbers: newNumbers(config.PopularityHalfLife),
		history: newHistoryCache(config.HistoryCache),
		filters: filter.NewCache(config.FilterCache),
		decode:  make(chan struct{}, config.DecodeWorkers),
		wake:    make(chan struct{}, 1),
		recall:  newRecallMeter(),
		meter:   deps.Meter,
	}
	return e, nil
}

// Ready reports whether Load has succeeded.
func (e *Engine) Ready() bool { return e.state.Load() != nil }

// Stats tells what the live State holds.
type Stats struct {
	Items   int // registered
	Vectors int // with an embedding
	Pending int // items that wait for FoldIn

	Positives int64 // positive interactions, with items that are registered or not

	UnseenValues    int64 // labels of items written here that the space of the time had no place for
	WrongAttributes int64 // attributes of items written here that are of another kind than in the space
}

// Stats returns the current figures; zero before Load.
func (e *Engine) Stats() Stats {
	s := e.state.Load()
	if s == nil {
		return Stats{}
	}
	return Stats{Items: s.registered, Vectors: s.index.Len(), Pending: e.touched.len(), Positives: e.numbers.total.Load(),
		UnseenValues: e.overlooked.unseen.Load(), WrongAttributes: e.overlooked.wrong.Load()}
}

// Woken receives when a write of this process has put something into the change log that Sync
// should apply soon.
func (e *Engine) Woken() <-chan struct{} { return e.wake }

func (e *Engine) wakeSync() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Load builds State from the store; a live State keeps answering meanwhile. A store without an
// embedding space gets the bootstrap space first.
func (e *Engine) Load(ctx context.Context) error {
	e.syncing.Lock()
	defer e.syncing.Unlock()
	return e.load(ctx)
}

func (e *Engine) load(ctx context.Context) error {
	trusting := true
	for {
		l, err := e.read(ctx, trusting)
		if errors.Is(err, errBasis) {
			e.warnOf(err)
			trusting = false
			continue
		}
		if err != nil {
			return err
		}
		if l.head.Space == nil {
			if err := e.bootstrap(ctx); err != nil {
				return err
			}
			continue
		}
		touched, err := e.touchedSince(ctx, l.head)
		if err != nil {
			return err
		}
		return e.install(ctx, l, touched)
	}
}

func (e *Engine) touchedSince(ctx context.Context, head Head) ([]string, error) {
	if head.Model == nil {
		return nil, nil
	}
	ids, err := e.store.ItemIDsSince(ctx, head.Model.InteractionSeq)
	if err != nil {
		return nil, fmt.Errorf("list items with new interactions: %w", err)
	}
	return ids, nil
}

// bootstrap makes the space that is usable before anything is known of the catalogue. Two
// processes may both make one; the last to activate wins and the other follows.
func (e *Engine) bootstrap(ctx context.Context) error {
	recipe, err := encodeRecipe(space.Bootstrap(e.encoder.Dims()), false)
	if err != nil {
		return err
	}
	id, err := e.store.CreateSpace(ctx, recsys.SpaceRecord{Encoder: e.encoder.Name(), Dims: space.Bootstrap(e.encoder.Dims()).Dims(), Recipe: recipe})
	if err != nil {
		return fmt.Errorf("create the first embedding space: %w", err)
	}
	err = e.store.ActivateSpace(ctx, id, 0, func(rows []ItemRow) ([][]float32, error) {
		return make([][]float32, len(rows)), nil
	})
	if err != nil {
		return fmt.Errorf("activate the first embedding space: %w", err)
	}
	return nil
}

// install makes a loaded catalogue the live State.
func (e *Engine) install(ctx context.Context, l loading, touched []string) error {
	fresh, err := e.emptyState(ctx, l.head)
	if err != nil {
		return err
	}
	if err := e.completeVectors(ctx, fresh, l); err != nil {
		return err
	}
	// Before the lock, for which writers wait: it takes 2 s at 100,000 items.
	fresh.filter = fresh.filter.Apply(e.filterChanges(l.rows))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.installCounts(l.head)
	l.startFrom(fresh, e.state.Load())
	c := fresh.change()
	e.installItems(c, l)
	if err := e.installFactors(ctx, c, l.rows, l.head); err != nil {
		return err
	}
	if err := e.carryOver(ctx, c); err != nil {
		return err
	}
	next, err := c.done()
	if err != nil {
		return fmt.Errorf("build the index: %w", err)
	}
	if e.state.Load() == nil && l.basis != nil {
		e.saved = l.basis.index
	}
	e.history.dropAll()
	e.touched.add(touched...)
	e.state.Store(next)
	e.log.Info("catalogue loaded", "items", next.registered, "vectors_reused", l.reused, "embedding_space", next.spaceID.String(),
		"factor_model", next.modelID.String(), "catalog_seq", next.catalogSeq, "interaction_seq", next.interactionSeq)
	e.warnOfTexts(next)
	return nil
}

// installItems puts the items into a State that begins with a basis.
func (e *Engine) installItems(c *change, l loading) {
	for i := range l.rows {
		row := &l.rows[i]
		number := e.numbers.number(row.Item.ItemID)
		c.putFacts(number, &row.Item, row.Seq)
		if !l.kept[i] {
			c.setVector(number, row.Vector)
		}
	}
	if l.basis != nil {
		c.dropStrangers(e.numbers.count())
	}
}

// warnOfTexts says when texts that are encoded now take no part in the live space.
func (e *Engine) warnOfTexts(s *State) {
	of, runs := s.space.TextEncoder(), e.TextEncoder()
	if of == runs || s.space.Bootstrapped() || of == "" && s.space.Schema().Text.Use == space.UseStore {
		return
	}
	e.log.Warn("the live embedding space and this server have different text encoders: texts of new items count as missing until vitrine embed",
		"embedding_space", s.spaceID.String(), "text_encoder_of_space", of, "text_encoder", runs)
}

func (e *Engine) emptyState(ctx context.Context, head Head) (*State, error) {
	recipe, err := decodeRecipe(head.Space.Recipe)
	if err != nil {
		return nil, fmt.Errorf("read %v: %w", head.Space.ID, err)
	}
	encoder, err := e.encoderFor(ctx, head.Space.Encoder)
	if errors.Is(err, recsys.ErrNotFound) {
		return nil, fmt.Errorf("%v was made with encoder %s, which is not here: %w", head.Space.ID, head.Space.Encoder, recsys.ErrIncompatible)
	}
	if err != nil {
		return nil, fmt.Errorf("open the encoder of %v: %w", head.Space.ID, err)
	}
	index, err := e.config.Index.New(recipe.space.Dims())
	if err != nil {
		return nil, err
	}
	s := &State{spaceID: head.Space.ID, space: recipe.space, encoder: encoder, origin: e.originOf(head.Space), index: index, filter: emptyFilter(recipe.space),
		catalogSeq: head.CatalogSeq, interactionSeq: head.InteractionSeq, paused: head.TrainingPaused}
	if head.Model == nil {
		return s, nil
	}
	s.modelID = head.Model.ID
	if s.model, err = decodeModel(head.Model.Model); err != nil {
		// Of another version of this program, or damaged: the shop goes on without it until the
		// next training.
		e.log.Error("the factor model cannot be read", "factor_model", head.Model.ID.String(), "error", err)
		s.model = nil
		return s, nil
	}
	s.model.createTime = head.Model.CreateTime
	s.model.blind = s.model.encoder != "" && s.model.encoder != encoder.Name()
	return s, nil
}

// installCounts sets the counts of all items, registered or not.
func (e *Engine) installCounts(head Head) {
	e.numbers.reset(head.Newest)
	for _, c := range head.Counts {
		e.numbers.addAll(e.numbers.number(c.ItemID), c, e.positive(c.Type, c.Value))
	}
}

func (e *Engine) positive(t recsys.InteractionType, value float64) bool {
	confidence, target := e.config.Recipe.Events.Weights.Of(t, value)
	return confidence > 0 && target > 0
}

// completeVectors computes the vectors that neither rows nor basis have: those of items written
// while another space was the live one, or whose writer died between two steps.
func (e *Engine) completeVectors(ctx context.Context, s *State, l loading) error {
	var lacking []int
	var subset []ItemRow
	for i, row := range l.rows {
		if row.Vector == nil && !l.kept[i] {
			lacking = append(lacking, i)
			subset = append(subset, row)
		}
	}
	inputs, err := e.inputs(ctx, s.encoder, subset)
	if err != nil {
		return err
	}
	for k, i := range lacking {
		l.rows[i].Vector = s.space.Embed(inputs[k])
	}
	return nil
}
