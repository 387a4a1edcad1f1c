package engine

import (
	"math"
	"time"
)

// leastShare is the share below which a fold-in is not worth mixing in, nor an item exploring.
const leastShare = .02

// left is what age has left of a new item's gain: 2^(−age/Config.ExploreHalfLife). An item is
// born when it was registered or when somebody first did something with it, whichever came
// first: a shop's old catalogue is not new for being imported today.
func (e *Engine) left(created, firstSeen, now int64) float64 {
	age := now - min(created, firstSeen)
	if age <= 0 {
		return 1
	}
	share := math.Exp2(-float64(age) / float64(e.config.ExploreHalfLife))
	if share < leastShare {
		return 0
	}
	return share
}

// explored is the served factor base, content of an item with a mass n of positives.
func (e *Engine) explored(model *factorModel, base, content []float32, n, left float64) served {
	novelty := model.als.Novelty(n)
	return served{base: base, content: content, novelty: float32(novelty), explore: float32(novelty * left)}
}

// servedRow is how an item with a row in the model is served: by its trained factor, and while
// it is young by the fold-in it had before the training, so that a training which takes an item
// over does not throw it back. share is how much of the fold-in r, m there is.
//
//	base = s(r + m) + (1−s)v    content = s·m + (1−s)μ
func (f *factorModel) servedRow(row int32, share float64, r, m []float32) (base, content []float32) {
	v, mu := f.als.ItemFactor(int(row)), f.als.ItemPrior(int(row))
	if share == 0 {
		return v, mu
	}
	base, content = make([]float32, len(v)), make([]float32, len(v))
	s := float32(share)
	for k := range v {
		base[k] = s*(r[k]+m[k]) + (1-s)*v[k]
		content[k] = s*m[k] + (1-s)*mu[k]
	}
	return base, content
}

// foldShare is how much of the served factor of a trained item is its fold-in: while it is new,
// and as far as more has happened since the training than before it.
func (f *factorModel) foldShare(row int32, n, left float64) float64 {
	trained := f.als.Positives(int(row))
	share := left * f.als.Novelty(trained)
	if n > trained {
		share = max(share, 1-trained/n)
	}
	if share < leastShare {
		return 0
	}
	return share
}

// exploreEvery is how often the gain of new items is brought up to date.
const exploreEvery = time.Hour

// age brings explore of all items up to date if that was not done within the hour; the caller
// holds mu.
func (e *Engine) age(s *State) *State {
	now := e.now().UnixNano()
	if now-s.exploredAt < int64(exploreEvery) {
		return s
	}
	c := s.change()
	c.next.exploredAt = now
	for at, ch := range s.chunks {
		for i, explore := range ch.explore {
			if explore == 0 || ch.facts[i] == nil {
				continue
			}
			number := uint32(at*chunkSize + i)
			fresh, _ := c.chunkOf(number)
			fresh.explore[i] = fresh.novelty[i] * float32(e.left(ch.created[i], e.numbers.firstSeen(number), now))
		}
	}
	return &c.next
}

// correction is an item that the live model's corrector covers.
type correction struct {
	at     uint8   // within the chunk
	place  int32   // in the corrector
	weight float32 // how much of the score is the corrector's
}

// correctionsOf finds the covered items by their numbers.
func (e *Engine) correctionsOf(f *factorModel) [][]correction {
	if f == nil || f.corrector == nil {
		return nil
	}
	var out [][]correction
	for place := range f.corrector.Len() {
		row := f.corrector.Row(place)
		number := e.numbers.number(f.itemIDs[row])
		at := int(number / chunkSize)
		for len(out) <= at {
			out = append(out, nil)
		}
		out[at] = append(out[at], correction{at: uint8(number % chunkSize), place: int32(place), weight: float32(f.correctorShare(row))})
	}
	return out
}

// correctorShare is how much of the score of a covered item is the corrector's.
func (f *factorModel) correctorShare(row int) float64 {
	return f.recipe.CorrectorWeight * f.als.Evidence(f.als.Positives(row))
}
