package recsys

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SpaceID numbers embedding spaces; 0 is none. Spelled "space-7" to clients.
type SpaceID int64

// String spells the id; empty for 0.
func (id SpaceID) String() string { return spell("space-", int64(id)) }

// ModelID numbers factor models; 0 is none. Spelled "model-7" to clients.
type ModelID int64

// String spells the id; empty for 0.
func (id ModelID) String() string { return spell("model-", int64(id)) }

// ParseSpaceID reads "space-7"; ErrInvalid for anything else.
func ParseSpaceID(text string) (SpaceID, error) {
	n, err := parseID("space-", text)
	return SpaceID(n), err
}

// ParseModelID reads "model-7"; ErrInvalid for anything else.
func ParseModelID(text string) (ModelID, error) {
	n, err := parseID("model-", text)
	return ModelID(n), err
}

func parseID(prefix, text string) (int64, error) {
	digits, ok := strings.CutPrefix(text, prefix)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n <= 0 {
		return 0, fmt.Errorf("%q, want a name such as %s7: %w", text, prefix, ErrInvalid)
	}
	return n, nil
}

func spell(prefix string, id int64) string {
	if id == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(prefix)
	b.WriteString(strconv.FormatInt(id, 10))
	return b.String()
}

// SpaceRecord is a stored embedding space: an immutable recipe.
type SpaceRecord struct {
	ID         SpaceID
	Encoder    string // name@version of the encoder whose raw outputs it reads
	Dims       int
	Recipe     []byte // space.Space, as space.Marshal writes it
	Lineage    []byte // JSON: who made it from what, and how it compared
	CreateTime time.Time
}

// SpaceInfo describes a stored embedding space without its recipe.
type SpaceInfo struct {
	ID           SpaceID
	Encoder      string
	Dims         int
	Lineage      []byte // JSON, as in SpaceRecord
	Vectors      int64  // how many items have one
	CreateTime   time.Time
	ActivateTime time.Time // when it last went live; zero: never
	Live         bool
}

// ModelRecord is a stored factor model.
type ModelRecord struct {
	ID             ModelID
	Model          []byte // factors, content map, content recipe and item ids, as the engine writes them
	Parameters     []byte // JSON: hyper-parameters, seed, counts, digest of the training rows
	CatalogSeq     int64  // changes of the catalogue it has seen
	InteractionSeq int64  // changes of the interactions it has seen
	CreateTime     time.Time
}

// RequestID names a write so that a retry is not applied twice. The zero value names nothing.
type RequestID struct {
	ID     [16]byte // a UUID
	Digest [32]byte // SHA-256 of the request's canonical bytes
}

// IsZero reports whether the request is unnamed.
func (r RequestID) IsZero() bool { return r.ID == [16]byte{} }

// ModelInfo describes a stored factor model without its contents.
type ModelInfo struct {
	ID             ModelID
	Parameters     []byte // JSON, as in ModelRecord
	CatalogSeq     int64
	InteractionSeq int64
	Bytes          int64 // of Model
	CreateTime     time.Time
	ActivateTime   time.Time // when it last went live; zero: never
	Live           bool
}
