package engine

import (
	"context"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Store is the truth: everything else the engine holds can be rebuilt from it.
//
// Every method is safe for concurrent use and answers with the sentinels of recsys:
// ErrUnavailable when the database cannot be reached (nothing was acknowledged),
// ErrCorrupt when a stored value cannot be read. Slices handed in are not kept.
type Store interface {
	ItemStore
	InteractionStore
	SpaceStore
	ModelStore
	ChangeStore
}

// ItemStore keeps items, their images, raw encoder outputs of images and texts, and vectors.
type ItemStore interface {
	// PutItems writes all items in one transaction and takes one catalogue change number for
	// it. Results are in the order of writes; an error in a result (ErrConflict: the request
	// id was used with another body, or IfSeq does not hold; ErrNotFound: IfSeq is set and
	// the item is gone) concerns that item alone and leaves it unwritten. Of two writes of
	// one item in a call the later wins.
	PutItems(ctx context.Context, writes []ItemWrite) ([]ItemResult, error)
	// DeleteItem removes an item, its vectors, and its image if no other item shares it, and
	// returns the change number. ErrNotFound if it is not there, unless the
	// request is a replay, which deletes nothing and returns 0.
	DeleteItem(ctx context.Context, itemID string, request recsys.RequestID) (seq int64, err error)
	// Items returns those of the ids that exist, in no particular order, without vectors.
	Items(ctx context.Context, itemIDs []string) ([]ItemRow, error)
	// RawOutputs calls each for every item that has an image and an output of the encoder;
	// itemIDs nil means all. raw is valid during the call only.
	RawOutputs(ctx context.Context, encoder string, itemIDs []string, each func(itemID string, raw []float32) error) error
	// Fingerprints calls each for those of the items that have an image and an output of the encoder.
	Fingerprints(ctx context.Context, encoder string, itemIDs []string, each func(f Fingerprint) error) error
	// RawOutput returns the encoder's output for an image seen before; ErrNotFound if it was not.
	RawOutput(ctx context.Context, encoder string, imageDigest []byte) ([]float32, error)
	// Images calls each for those of the items that have a picture; image is valid during the call only.
	Images(ctx context.Context, itemIDs []string, each func(itemID string, image []byte) error) error
	// EncodeImages hands at most limit pictures that the encoder has no output of, their digests
	// after the given one, to encode, and stores what it returns, nil for none. Nobody else is
	// given them meanwhile. last is nil if there was no picture. encode must not use the store.
	EncodeImages(ctx context.Context, encoder string, after []byte, limit int, encode func(images []Image) ([][]float32, error)) (last []byte, err error)
	// CountImages tells how many pictures the encoder has no output of, of all there are.
	CountImages(ctx context.Context, encoder string) (lacking, all int, err error)
	// TextOutputs calls each for every item that has an output of the text encoder; itemIDs nil
	// means all. Digest tells whether it is of the text the item has now. Digest and Raw are
	// valid during the call only.
	TextOutputs(ctx context.Context, encoder string, itemIDs []string, each func(TextOutput) error) error
	// PutTextOutputs stores outputs of a text encoder. Items that do not exist are passed over.
	// No change number is taken.
	PutTextOutputs(ctx context.Context, encoder string, outputs []TextOutput) error
}

// Image is a stored picture.
type Image struct {
	Digest []byte // SHA-256
	Bytes  []byte // as it came
}

// Fingerprint is what a picture is recognised by.
type Fingerprint struct {
	ItemID string
	Raw    []float32
	Hash   []byte // an imageprep.Hash; nil: not known
}

// TextOutput is what a text encoder made of an item's title and description.
type TextOutput struct {
	ItemID string
	Digest []byte // SHA-256 of the text
	Raw    []float32
}

// ItemWrite is one item to create or replace.
type ItemWrite struct {
	Item    recsys.Item // CreateTime and UpdateTime are set by the store
	Image   []byte      // nil: keep what is stored under Item.ImageDigest, if any
	Encoder string      // whose output Raw is
	Raw     []float32   // nil: none, or already stored for that digest
	Hash    []byte      // an imageprep.Hash of the picture, stored with Raw; nil: not known

	TextEncoder string     // whose output Text is
	Text        TextOutput // Raw nil: none, or already stored for the same text

	Space   recsys.SpaceID
	Vector  []float32 // nil: the item has no embedding
	IfSeq   int64     // write only if the stored item has this Seq; 0: always
	Request recsys.RequestID
}

// ItemResult tells what became of an ItemWrite.
type ItemResult struct {
	Item     recsys.Item    // as stored
	Space    recsys.SpaceID // the space of the vector; on a replay the one of the first answer
	Seq      int64          // the change number of its transaction
	Created  bool
	Replayed bool // the request id was seen before with the same body: nothing was written
	Err      error
}

// ItemRow is a stored item.
type ItemRow struct {
	Item   recsys.Item
	Vector []float32 // in the space asked for; nil if there is none
	Seq    int64     // the change that last wrote it
}

// InteractionStore keeps interactions.
type InteractionStore interface {
	// PutInteractions appends all in one transaction that takes one interaction change
	// number. Results are in the order of writes; ErrConflict in a result concerns that row alone.
	PutInteractions(ctx context.Context, writes []InteractionWrite) ([]InteractionResult, error)
	// History returns an actor's newest interactions first, at most limit.
	History(ctx context.Context, actor recsys.Actor, limit int) ([]recsys.Interaction, error)
	// Interactions calls each for every interaction (itemIDs and actors nil), for those with
	// the items, or for those of the actors, oldest first, and returns the change number up to
	// which they are complete.
	Interactions(ctx context.Context, of InteractionFilter, each func(recsys.Interaction) error) (seq int64, err error)
	// ItemIDsSince returns the items that have interactions after an interaction change number.
	ItemIDsSince(ctx context.Context, seq int64) ([]string, error)
	// DeleteUser removes all interactions of an actor and the stored responses to them and returns how many.
	DeleteUser(ctx context.Context, actor recsys.Actor, request recsys.RequestID) (int64, error)
	// MergeUsers gives a visitor's interactions to a user and returns how many.
	MergeUsers(ctx context.Context, visitorID, userID string, request recsys.RequestID) (int64, error)
}

// InteractionWrite is one interaction to append.
type InteractionWrite struct {
	Interaction recsys.Interaction
	Request     recsys.RequestID
}

// InteractionResult tells what became of an InteractionWrite.
type InteractionResult struct {
	Interaction recsys.Interaction // as stored; on a replay the one of the first answer
	Seq         int64
	Replayed    bool
	Err         error
}

// InteractionFilter chooses interactions; the zero value means all. At most one field is set.
type InteractionFilter struct {
	ItemIDs []string
	Actors  []recsys.Actor
}

// SpaceStore keeps embedding spaces.
type SpaceStore interface {
	// CreateSpace stores a recipe, not yet active, and returns its id.
	CreateSpace(ctx context.Context, record recsys.SpaceRecord) (recsys.SpaceID, error)
	// PutVectors stores vectors of a space that is not active yet; vectors[i] nil stores none.
	// Items deleted meanwhile are passed over. No change number is taken.
	PutVectors(ctx context.Context, space recsys.SpaceID, itemIDs []string, vectors [][]float32) error
	// ActivateSpace makes a space the live one. It first takes the catalogue's counter row, so
	// that no item changes meanwhile, then calls fill with the ids of the items changed after
	// change number seen; fill returns their vectors.
	ActivateSpace(ctx context.Context, space recsys.SpaceID, seen int64, fill func(rows []ItemRow) ([][]float32, error)) error
	// Space returns a stored space; ErrNotFound if there is none.
	Space(ctx context.Context, id recsys.SpaceID) (recsys.SpaceRecord, error)
	// Spaces lists all spaces, newest first.
	Spaces(ctx context.Context) ([]recsys.SpaceInfo, error)
	// PruneSpaces deletes all spaces but the live one and the keep newest, with their vectors and
	// what is left of their encoders alone, and returns how many.
	PruneSpaces(ctx context.Context, keep int) (int64, error)
}

// ModelStore keeps factor models.
type ModelStore interface {
	// CreateModel stores a model, not yet active, and returns its id.
	CreateModel(ctx context.Context, record recsys.ModelRecord) (recsys.ModelID, error)
	// ActivateModel makes a model the live one; it takes a catalogue change number. pause sets or
	// ends Head.TrainingPaused. ErrNotFound if there is no such model.
	ActivateModel(ctx context.Context, model recsys.ModelID, pause bool) error
	// Models lists all models, newest first.
	Models(ctx context.Context) ([]recsys.ModelInfo, error)
	// PruneModels deletes all models but the live one and the keep newest, and returns how many.
	PruneModels(ctx context.Context, keep int) (int64, error)
	// Lock takes a session advisory lock by name without waiting; ok is false when another
	// session holds it. The lock is lost with the connection; release gives it back.
	Lock(ctx context.Context, name string) (release func(), ok bool, err error)
}

// ChangeStore feeds the live State.
type ChangeStore interface {
	// Load calls each for every item with its vector in the active space, ascending by item
	// id, all in one REPEATABLE READ transaction with the Head it returns. halfLife is that of
	// TypeCount.Recent. vectorsAfter, if not nil, is asked before the first item, with the Head,
	// and may be asked again: items last written up to the change number it returns may come
	// without their vectors, because the caller has them.
	Load(ctx context.Context, halfLife time.Duration, vectorsAfter func(Head) int64, each func(ItemRow) error) (Head, error)
	// Changes returns what happened after the two change numbers, read in one REPEATABLE READ
	// transaction; Reload says that a whole Load is needed instead (another space or model,
	// or more changes than is worth applying one by one).
	Changes(ctx context.Context, space recsys.SpaceID, model recsys.ModelID, catalogSeq, interactionSeq int64) (Changes, error)
	// Heads returns the two current change numbers.
	Heads(ctx context.Context) (catalogSeq, interactionSeq int64, err error)
	// Wait blocks until something may have changed, timeout has passed or ctx ends. It only
	// wakes; what has changed is read by Changes.
	Wait(ctx context.Context, timeout time.Duration) error
}

// Head is where a Load stands.
type Head struct {
	CatalogSeq     int64
	InteractionSeq int64
	Space          *recsys.SpaceRecord // the live space; nil: none yet
	Model          *recsys.ModelRecord // the live model; nil: none yet
	TrainingPaused bool                // no training but on demand
	Newest         time.Time           // of the newest interaction; zero: there is none
	Counts         []TypeCount         // interactions by item, type and value, registered or not
}

// TypeCount counts an item's interactions of one type and value.
type TypeCount struct {
	ItemID string
	Type   recsys.InteractionType
	Value  float64
	Count  int64
	First  time.Time // of the oldest
	Recent float64   // Σ 2^(−age/halfLife), age counted back from Head.Newest; Count if halfLife is 0
}

// Changes is a stretch of the change log.
type Changes struct {
	CatalogSeq     int64
	InteractionSeq int64
	Reload         bool
	Items          []ItemRow // as they are now
	DeletedItemIDs []string
	Interactions   []recsys.Interaction // oldest first
	Actors         []recsys.Actor       // deleted or merged: everything remembered of them is void
}

// Encoders opens encoders beside the configured one.
type Encoders interface {
	// OpenEncoder returns the encoder of that name@version, or of that name whatever its version;
	// the same one for the same name. ErrNotFound if there is none.
	OpenEncoder(ctx context.Context, name string) (Encoder, error)
	// ListEncoders tells which encoders can be opened, by name.
	ListEncoders() ([]EncoderInfo, error)
}

// EncoderInfo describes an encoder.
type EncoderInfo struct {
	Name string // name@version
	Dims int
	Live bool // the live space reads it
}

// Encoder turns a picture's tensor into a raw vector. Encode is safe for concurrent use and
// forms batches across callers; it answers ErrUnavailable after Close.
type Encoder interface {
	// Name is name@version; raw outputs of two names are never mixed.
	Name() string
	// Dims is the length of a raw vector.
	Dims() int
	// Tensor decodes a picture and applies the encoder's input rule. Faults of the picture are
	// a *recsys.FieldError without Field. The caller bounds how many run at once.
	Tensor(image []byte) ([]float32, error)
	// Encode runs the model on one tensor; the result is finite and owned by the caller.
	Encode(ctx context.Context, tensor []float32) ([]float32, error)
}
