package space

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// labelsOf reads labels, and a number as the label of its decimal form.
func labelsOf(a recsys.Attribute) []string {
	switch a.Kind {
	case recsys.KindLabels:
		return a.Labels
	case recsys.KindNumber:
		format := byte('f')
		if math.Abs(a.Number) >= 1e15 {
			format = 'g'
		}
		if finite(a.Number) {
			return []string{strconv.FormatFloat(a.Number, format, -1, 64)}
		}
	}
	return nil
}

// oneHot is the coder of labels with a place per value. A value that was not seen when the
// space was fitted contributes nothing.
type oneHot struct {
	name   string
	values []string // most frequent first, ties by value
	places map[string]int
}

func newOneHot(name string, values []string) *oneHot {
	o := &oneHot{name: name, values: values, places: make(map[string]int, len(values))}
	for i, v := range values {
		o.places[v] = i
	}
	return o
}

func (o *oneHot) dims() int { return len(o.values) }

func (o *oneHot) code(in *Input, out []float32) bool {
	for _, label := range labelsOf(in.Attributes[o.name]) {
		if place, ok := o.places[label]; ok {
			out[place] = 1
		}
	}
	return vecmath.Normalize(out)
}

// hashed is the coder of labels with very many values: each value is hashPlaces signed places
// of a fixed width. A value that was not seen at the fit is as good as any other.
type hashed struct {
	name  string
	width int
}

// hashPlaces: P@10 of the category on openclipart, half picture, half 1,370 keywords without those
// that name the category: .642 with one place a value, .655 with four, .662 one-hot.
const hashPlaces = 4

func (h *hashed) dims() int { return h.width }

func (h *hashed) code(in *Input, out []float32) bool {
	labels := labelsOf(in.Attributes[h.name])
	for i, label := range labels {
		if !repeated(labels, i) {
			addHash(out, hashString(hashStart, label))
		}
	}
	return vecmath.Normalize(out)
}

// repeated reports whether label i occurred before. Labels are few (256 in a request).
func repeated(labels []string, i int) bool { return slices.Contains(labels[:i], labels[i]) }

// FNV-1a, 64 bits. Its values are part of the stored form: the same label must hash alike for ever.
const (
	hashStart = 0xcbf29ce484222325
	hashPrime = 0x100000001b3
)

func hashString(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * hashPrime
	}
	return h
}

// addHash adds the signed places of one value. FNV's high bits are weak for short strings,
// hence the finalizer of splitmix64 (Steele et al. 2014) on every draw.
func addHash(out []float32, h uint64) {
	for range hashPlaces {
		h += 0x9e3779b97f4a7c15
		x := h
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
		sign := float32(1)
		if x&1 == 1 {
			sign = -1
		}
		out[(x>>32)*uint64(len(out))>>32] += sign
	}
}

// fitLabels chooses between the coders of labels; width is the most dimensions either may take.
// ok is false if no item has a label.
func fitLabels(rule AttributeRule, inputs []Input, cfg Config, width int) (c coder, ok bool) {
	counts := make(map[string]int)
	for i := range inputs {
		labels := labelsOf(inputs[i].Attributes[rule.Name])
		for j, label := range labels {
			if !repeated(labels, j) {
				counts[label]++
			}
		}
	}
	most := min(cfg.MaxOneHot, width)
	if rule.Encoding == EncodingHash || rule.Encoding == "" && len(counts) > most {
		return &hashed{name: rule.Name, width: min(cfg.HashDims, width)}, len(counts) > 0
	}
	values := make([]string, 0, len(counts))
	for v := range counts {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return newOneHot(rule.Name, slices.Clone(values[:min(len(values), most)])), len(values) > 0
}

// allLabels is the coder of Bootstrap's one attribute block: a signed hash of every NAME=value,
// save for names that say identifier.
type allLabels struct{ width int }

func (l *allLabels) dims() int { return l.width }

func (l *allLabels) code(in *Input, out []float32) bool {
	for name, a := range in.Attributes {
		if a.Kind != recsys.KindLabels || identifier(name) {
			continue
		}
		start := hashString(hashString(hashStart, name), "=")
		for i, label := range a.Labels {
			if !repeated(a.Labels, i) {
				addHash(out, hashString(start, label))
			}
		}
	}
	return vecmath.Normalize(out)
}
