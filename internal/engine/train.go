package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// Training is what a training run was made of and gave; stored with the model.
type Training struct {
	Recipe        Recipe  `json:"recipe"`
	Items         int     `json:"items"`
	Users         int     `json:"users"`
	Rows          int     `json:"rows"`      // observed user–item pairs
	Positives     int64   `json:"positives"` // positive interactions, repeated ones counted
	Digest        string  `json:"digest"`    // of the rows: two runs with one digest have seen the same
	Ridge         float64 `json:"ridge"`     // of the content map
	Gain          float64 `json:"gain"`
	MeanPositives float64 `json:"mean_positives"`
	Young         int     `json:"young"`     // trained items that are still served by their fold-in as well
	Corrected     int     `json:"corrected"` // items the corrector covers

	Verdict *Verdict `json:"verdict,omitempty"` // of the trial before it; nil: there was none
}

// trainingRows is the interaction matrix with the names of its rows and columns.
type trainingRows struct {
	itemIDs []string
	entries []als.Entry // by user
	ends    []int       // by user, in entries
	first   []int64     // by item: the first interaction, Unix nanoseconds; the greatest time: none
	seq     int64

	positives int64 // positive interactions, repeated ones counted
}

// brief is an interaction as training reads millions of them.
type brief struct {
	at    int64 // Unix nanoseconds
	value float64
	item  int32 // row of the catalogue scan
	kind  recsys.InteractionType
}

// Train fits a factor model to all interactions by Config.Recipe and makes it the live one.
// Deterministic for the data, the recipe and the age of items. Too little data, fewer than two
// users or items with positives, is recsys.ErrInvalid and leaves the live model.
func (e *Engine) Train(ctx context.Context, progress Progress) (recsys.ModelID, Training, error) {
	return e.TrainAs(ctx, Order{Recipe: e.config.Recipe, Activate: true}, progress)
}

// Order asks for a factor model.
type Order struct {
	Recipe   Recipe
	Verdict  *Verdict // stored with the model
	Activate bool     // make it the live one
}

// keptModels is how many factor models are kept for a roll-back beside the live one.
const keptModels = 10

// TrainAs is Train to an order; a model that is not activated is stored all the same.
func (e *Engine) TrainAs(ctx context.Context, order Order, progress Progress) (recsys.ModelID, Training, error) {
	release, err := e.exclusively(ctx, "train")
	if err != nil {
		return 0, Training{}, err
	}
	defer release()
	scan, err := e.scanCatalog(ctx)
	if err != nil {
		return 0, Training{}, err
	}
	rows, err := e.trainingRows(ctx, scan, order.Recipe.Events)
	if err != nil {
		return 0, Training{}, err
	}
	model, run, err := e.fitModel(ctx, order, scan, rows, progress)
	if err != nil {
		return 0, run, err
	}
	id, err := e.storeModel(ctx, order, scan, rows, model, run)
	if err != nil {
		return 0, run, err
	}
	return id, run, e.Sync(ctx)
}

func (e *Engine) storeModel(ctx context.Context, order Order, scan catalogScan, rows trainingRows, model *factorModel, run Training) (recsys.ModelID, error) {
	b, err := encodeModel(model)
	if err != nil {
		return 0, err
	}
	parameters, err := json.Marshal(run)
	if err != nil {
		return 0, err
	}
	id, err := e.store.CreateModel(ctx, recsys.ModelRecord{Model: b, Parameters: parameters, CatalogSeq: scan.head.CatalogSeq, InteractionSeq: rows.seq})
	if err != nil {
		return 0, fmt.Errorf("store the factor model: %w", err)
	}
	if order.Activate {
		if err := e.store.ActivateModel(ctx, id, false); err != nil {
			return 0, fmt.Errorf("activate %v: %w", id, err)
		}
	}
	if _, err := e.store.PruneModels(ctx, keptModels); err != nil {
		return 0, fmt.Errorf("prune factor models: %w", err)
	}
	return id, nil
}

// trainingRows reads all interactions with registered items. Users are numbered in the order
// of their ids, items in that of the catalogue, so that the same data gives the same matrix.
func (e *Engine) trainingRows(ctx context.Context, scan catalogScan, settings Events) (trainingRows, error) {
	out := trainingRows{itemIDs: make([]string, len(scan.rows)), first: make([]int64, len(scan.rows))}
	for i, row := range scan.rows {
		out.itemIDs[i], out.first[i] = row.Item.ItemID, math.MaxInt64
	}
	events := make(map[recsys.Actor][]brief)
	seq, err := e.store.Interactions(ctx, InteractionFilter{}, func(in recsys.Interaction) error {
		if at, ok := scan.at[in.ItemID]; ok {
			if e.positive(in.Type, in.Value) { // as the live count that TrainIsDue compares with
				out.positives++
			}
			out.first[at] = min(out.first[at], in.EventTime.UnixNano())
			events[in.Actor] = append(events[in.Actor], brief{in.EventTime.UnixNano(), in.Value, int32(at), in.Type})
		}
		return ctx.Err()
	})
	if err != nil {
		return out, fmt.Errorf("read interactions: %w", err)
	}
	out.seq = seq
	actors := make([]recsys.Actor, 0, len(events))
	for actor := range events {
		actors = append(actors, actor)
	}
	slices.SortFunc(actors, recsys.Actor.Compare)
	var history []recsys.Interaction
	for _, actor := range actors {
		history = history[:0]
		for _, ev := range events[actor] {
			history = append(history, recsys.Interaction{ItemID: out.itemIDs[ev.item], Type: ev.kind, Value: ev.value, EventTime: time.Unix(0, ev.at)})
		}
		entries := entriesOf(settings.summarize(newestFirst(history), settings.cutoff(e.now()), func(id string) uint32 { return uint32(scan.at[id]) }), len(out.ends))
		if len(entries) > 0 {
			out.entries = append(out.entries, entries...)
			out.ends = append(out.ends, len(out.entries))
		}
	}
	return out, nil
}

// of is a user's part of the entries.
func (r trainingRows) of(user int) []als.Entry {
	start := 0
	if user > 0 {
		start = r.ends[user-1]
	}
	return r.entries[start:r.ends[user]]
}

// entriesOf is a user's row of the matrix.
func entriesOf(prefs []preference, user int) []als.Entry {
	var out []als.Entry
	for _, p := range prefs {
		if p.confidence > 0 {
			out = append(out, als.Entry{User: int32(user), Item: int32(p.item), Confidence: float32(p.confidence), Target: float32(p.target)})
		}
	}
	return out
}

func (e *Engine) fitModel(ctx context.Context, order Order, scan catalogScan, rows trainingRows, progress Progress) (*factorModel, Training, error) {
	run := Training{Recipe: order.Recipe, Verdict: order.Verdict, Items: len(rows.itemIDs), Users: len(rows.ends), Rows: len(rows.entries),
		Digest: digest(rows.entries), Positives: rows.positives}
	if users, items := liked(rows.entries); users < 2 || items < 2 {
		return nil, run, fmt.Errorf("train: %d users like %d items between them, want at least 2 of each: %w", users, items, recsys.ErrInvalid)
	}
	matrix, err := als.NewMatrix(run.Users, run.Items, rows.entries)
	if err != nil {
		return nil, run, err
	}
	content, x, err := e.contentRows(ctx, scan, progress)
	if err != nil {
		return nil, run, err
	}
	f := &factorModel{recipe: order.Recipe, content: content, encoder: scan.head.Space.Encoder, itemIDs: rows.itemIDs, foldAt: make(map[int32]int), trainedOn: rows.positives}
	if err := f.fit(ctx, matrix, x, progress); err != nil {
		return nil, run, err
	}
	foldYoungRows(f, rows, e.leftOf(scan, rows))
	run.Gain, run.MeanPositives, run.Young = f.als.DefaultGain(), f.als.MeanPositives(), len(f.foldAt)
	run.Ridge = f.als.Ridge()
	if f.corrector != nil {
		run.Corrected = f.corrector.Len()
	}
	return f, run, nil
}

// fit trains the parts that are fitted to the matrix.
func (f *factorModel) fit(ctx context.Context, matrix *als.Matrix, x als.Content, progress Progress) error {
	settings := f.recipe.ALS
	factors, err := als.Train(ctx, matrix, x, settings, func(epoch int) { progress("train factors", epoch, settings.Epochs) })
	if err != nil {
		return fmt.Errorf("train factors: %w", err)
	}
	progress("fit content map", 0, 1)
	contentConfig := als.DefaultContentConfig()
	contentConfig.Workers = settings.Workers
	if f.als, err = als.FitModel(ctx, matrix, factors, x, contentConfig); err != nil {
		return fmt.Errorf("fit the content map: %w", err)
	}
	progress("fit content map", 1, 1)
	if f.recipe.CorrectorWeight == 0 || f.recipe.Corrector.Items == 0 {
		return nil
	}
	progress("fit corrector", 0, 1)
	if f.corrector, err = als.FitCorrector(ctx, matrix, factors, f.recipe.Corrector, settings.Workers); err != nil {
		return fmt.Errorf("fit the corrector: %w", err)
	}
	progress("fit corrector", 1, 1)
	return nil
}

// leftOf is what age has left of each item's gain.
func (e *Engine) leftOf(scan catalogScan, rows trainingRows) []float64 {
	now := e.now().UnixNano()
	out := make([]float64, len(scan.rows))
	for i, row := range scan.rows {
		out[i] = e.left(row.Item.CreateTime.UnixNano(), rows.first[i], now)
	}
	return out
}

// contentRows embeds the catalogue in the content recipe of the factor model. A catalogue with
// nothing to embed gives no recipe and content of no dimensions: its cold items are all alike.
func (e *Engine) contentRows(ctx context.Context, scan catalogScan, progress Progress) (*space.Space, als.Content, error) {
	encoder, err := e.encoderFor(ctx, scan.head.Space.Encoder)
	if err != nil {
		return nil, als.Content{}, err
	}
	inputs, err := e.sample(ctx, encoder, scan)
	if err != nil {
		return nil, als.Content{}, err
	}
	schema, _ := schemaOf(scan.head, nil, inputs)
	content, err := space.Fit(ctx, inputs, space.ContentSchema(schema, inputs), space.ContentConfig())
	if errors.Is(err, recsys.ErrInvalid) {
		e.log.Warn("training without content", "reason", err)
		return nil, als.Content{}, nil
	}
	if err != nil {
		return nil, als.Content{}, fmt.Errorf("fit the content recipe: %w", err)
	}
	x := als.Content{Dims: content.Dims(), Rows: make([]float32, len(scan.rows)*content.Dims())}
	for from := 0; from < len(scan.rows); from += embedBatch {
		batch := scan.rows[from:min(from+embedBatch, len(scan.rows))]
		vectors, err := e.embedRows(ctx, embedder{content, encoder}, batch)
		if err != nil {
			return nil, x, err
		}
		for i, v := range vectors {
			copy(x.Rows[(from+i)*x.Dims:], v)
		}
		progress("embed content", from+len(batch), len(scan.rows))
	}
	return content, x, nil
}

// liked counts the users and the items of positive pairs.
func liked(entries []als.Entry) (users, items int) {
	byUser, byItem := make(map[int32]struct{}), make(map[int32]struct{})
	for _, entry := range entries {
		if entry.Target > 0 {
			byUser[entry.User], byItem[entry.Item] = struct{}{}, struct{}{}
		}
	}
	return len(byUser), len(byItem)
}

// digest names the training rows, so that two runs can be told to have seen the same.
func digest(entries []als.Entry) string {
	h := sha256.New()
	for _, entry := range entries {
		_ = binary.Write(h, binary.LittleEndian, entry) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// TrainIsDue reports whether enough has happened since the live model was trained: by default a
// fifth more positive interactions (a fold-in keeps most of a retrain's quality until about
// there), or, without a model, the first firstTraining of them. Never while a roll-back holds.
func (e *Engine) TrainIsDue() bool {
	const firstTraining = 50
	s := e.state.Load()
	now := e.numbers.total.Load()
	switch {
	case s.paused:
		return false
	case s.model == nil:
		return now >= firstTraining
	case s.model.blind:
		return true
	}
	fresh := float64(now - s.model.trainedOn)
	due := e.config.Retrain
	return due.Share > 0 && fresh > due.Share*float64(max(s.model.trainedOn, firstTraining)) ||
		due.Every > 0 && fresh > 0 && e.now().Sub(s.model.createTime) >= due.Every
}
