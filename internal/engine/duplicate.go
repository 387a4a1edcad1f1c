package engine

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// DuplicateRule says when two pictures are copies of one. No cosine alone does: at one false alarm
// in a hundred it would have to be .954 for groceries and 1 for drawings of one template.
type DuplicateRule struct {
	// HashDistance and Cosine together make a copy: so few bits, 0 to 256, between the hashes of the
	// picture or of its mirror image and the other, and at least this cosine between the encoder's outputs.
	HashDistance int
	Cosine       float64
	// CosineAlone makes a copy whatever the hashes.
	CosineAlone float64
}

// DefaultDuplicateRule returns what did best of eighty rules on photographs and posters: copies but
// cropped ones are recognised (.98 to 1.00 of them) at five false alarms in a thousand photographs and none
// of the posters; a cosine of .80 beside the hash lost an eighth of scaled and marked posters, .96
// alone gave 13 false alarms in a thousand (docs/benchmarks.md).
func DefaultDuplicateRule() DuplicateRule {
	return DuplicateRule{HashDistance: 32, Cosine: .60, CosineAlone: .975}
}

// Validate reports all faults.
func (r DuplicateRule) Validate() error {
	var faults []error
	if r.HashDistance < 0 || r.HashDistance > 256 {
		faults = append(faults, recsys.Invalid("hash_distance", "is %d, want 0 to 256", r.HashDistance))
	}
	if !(r.Cosine >= -1 && r.Cosine <= r.CosineAlone) {
		faults = append(faults, recsys.Invalid("cosine", "is %v, want -1 to cosine_alone, %v", r.Cosine, r.CosineAlone))
	}
	return errors.Join(faults...)
}

// unknownDistance stands for the distance from a picture whose hash is not known.
const unknownDistance = math.MaxInt

// Holds reports whether pictures of a cosine and a hash distance are copies.
func (r DuplicateRule) Holds(cosine float64, distance int) bool {
	return cosine >= r.CosineAlone || cosine >= r.Cosine && distance <= r.HashDistance
}

// Duplicate is a registered item whose picture is a copy of another.
type Duplicate struct {
	ItemID       string
	Similarity   float64 // cosine of the encoder's outputs
	HashDistance int     // bits, of the nearer of the picture and its mirror image
	Mirrored     bool    // the mirror image is nearer
}

// duplicateCandidates is how many nearest items are held against the rule.
const duplicateCandidates = 10

// duplicateOf finds the registered item whose picture is most alike by the rule; nil if none is. It
// is a courtesy to the caller: what goes wrong is logged and no reason to refuse the item.
func (e *Engine) duplicateOf(ctx context.Context, s *State, w *ItemWrite, seen *hashes) *Duplicate {
	if w.Raw == nil {
		return nil
	}
	found, err := e.findDuplicate(ctx, s, w, seen)
	if err != nil {
		e.log.Warn("a registered item was not compared with others", "item_id", w.Item.ItemID, "error", err)
	}
	return found
}

func (e *Engine) findDuplicate(ctx context.Context, s *State, w *ItemWrite, seen *hashes) (*Duplicate, error) {
	near, err := e.nearestPictures(s, w)
	if err != nil || len(near) == 0 {
		return nil, err
	}
	var rows []Fingerprint
	err = e.store.Fingerprints(ctx, s.encoder.Name(), near, func(f Fingerprint) error {
		if cosineOf(w.Raw, f.Raw) >= e.config.Duplicates.Cosine {
			rows = append(rows, Fingerprint{f.ItemID, append([]float32(nil), f.Raw...), append([]byte(nil), f.Hash...)})
		}
		return nil
	})
	if err != nil || len(rows) == 0 {
		return nil, err // no copy by any rule: nothing is decoded
	}
	if seen == nil { // its output was stored: it has not been decoded yet
		tensor, err := e.tensor(ctx, s.encoder, w.Image)
		if err != nil {
			return nil, fmt.Errorf("hash the picture: %w", err)
		}
		seen = hashesOf(tensor)
	}
	if err := e.completeHashes(ctx, s.encoder, rows); err != nil {
		return nil, err
	}
	var best *Duplicate
	for _, row := range rows {
		d := Duplicate{ItemID: row.ItemID, Similarity: cosineOf(w.Raw, row.Raw), HashDistance: unknownDistance}
		if len(row.Hash) == len(seen.plain) {
			theirs := imageprep.Hash(row.Hash)
			d.HashDistance = seen.plain.Distance(theirs)
			if other := seen.mirrored.Distance(theirs); other < d.HashDistance {
				d.HashDistance, d.Mirrored = other, true
			}
		}
		if e.config.Duplicates.Holds(d.Similarity, d.HashDistance) && (best == nil || d.Similarity > best.Similarity) {
			best = &d
		}
	}
	if best != nil {
		best.HashDistance = min(best.HashDistance, 256)
	}
	return best, nil
}

// nearestPictures are the items whose pictures are nearest in the live space, hidden ones included:
// they are registered too.
func (e *Engine) nearestPictures(s *State, w *ItemWrite) ([]string, error) {
	in := s.space.Embed(space.Input{Image: w.Raw}) // a vector of the picture's block alone
	if in == nil {
		return nil, nil
	}
	self, known := e.numbers.find(w.Item.ItemID)
	hits, err := s.index.Search(in, duplicateCandidates, func(item uint32) bool {
		return s.facts(item) != nil && !(known && item == self)
	})
	if err != nil {
		return nil, fmt.Errorf("search the index: %w", err)
	}
	ids := make([]string, 0, len(hits))
	for _, hit := range hits {
		if hit.Score > 0 {
			ids = append(ids, s.facts(hit.ID).itemID)
		}
	}
	return ids, nil
}

// completeHashes computes hashes that are not stored: of pictures registered before there were
// hashes, or encoded anew since.
func (e *Engine) completeHashes(ctx context.Context, encoder Encoder, rows []Fingerprint) error {
	lacking := make(map[string]*Fingerprint)
	var ids []string
	for i := range rows {
		if len(rows[i].Hash) == 0 {
			lacking[rows[i].ItemID] = &rows[i]
			ids = append(ids, rows[i].ItemID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return e.store.Images(ctx, ids, func(itemID string, image []byte) error {
		tensor, err := e.tensor(ctx, encoder, image)
		if _, unfit := errors.AsType[*recsys.FieldError](err); unfit {
			return nil
		}
		if err != nil {
			return err
		}
		lacking[itemID].Hash = hashesOf(tensor).plain[:]
		return nil
	})
}

func cosineOf(a, b []float32) float64 {
	return float64(vecmath.Dot(a, b)) / math.Sqrt(float64(vecmath.SquaredNorm(a))*float64(vecmath.SquaredNorm(b)))
}
