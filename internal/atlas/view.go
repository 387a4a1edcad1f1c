package atlas

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/seed-473295a7/vitrine/internal/space"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// NamedSpace is a space to evaluate.
type NamedSpace struct {
	Name  string
	Space *space.Space
}

// View is a way of turning items into vectors.
type View struct {
	Name      string
	Euclidean bool         // neighbours by distance instead of cosine
	space     *space.Space // nil: none, and nothing to leave out
	vectors   [][]float32  // by item, nil where there is none; all of one length
}

// The views beside the spaces.
const (
	viewPicture    = ", picture alone"
	viewAttributes = ", attributes alone"
	viewDistance   = ", Euclidean"
	viewEncoder    = "encoder output"
	viewPixels     = "raw pixels"
	viewHistogram  = "colour histogram"
	viewRandom     = "random"
)

// imageBlock is the name of the picture's block in every space.
const imageBlock = "image"

// spaceViews are the views that a space has: whole, by distance between vectors, and its two halves.
func spaceViews(s NamedSpace, items []Item) []View {
	whole := View{Name: s.Name, space: s.Space, vectors: make([][]float32, len(items))}
	for i := range items {
		whole.vectors[i] = s.Space.Embed(items[i].Input)
	}
	views := []View{whole}
	picture, attributes := 0, 0
	for _, b := range s.Space.Layout() {
		if b.Name == imageBlock {
			picture++
		} else {
			attributes++
		}
	}
	if picture > 0 && attributes > 0 {
		views = append(views,
			View{Name: s.Name + viewPicture, space: s.Space, vectors: keep(s.Space, whole.vectors, func(block string) bool { return block == imageBlock })},
			View{Name: s.Name + viewAttributes, space: s.Space, vectors: keep(s.Space, whole.vectors, func(block string) bool { return block != imageBlock })})
	}
	return views
}

// keep returns the vectors with some of the blocks alone. Blocks are stretches of the vector, each
// with its weight in it, so that what is left is what a space without the others would embed.
func keep(of *space.Space, vectors [][]float32, wanted func(block string) bool) [][]float32 {
	layout := of.Layout()
	out := make([][]float32, len(vectors))
	for i, v := range vectors {
		if v == nil {
			continue
		}
		masked := make([]float32, len(v))
		for _, b := range layout {
			if wanted(b.Name) {
				copy(masked[b.Offset:b.Offset+b.Dims], v[b.Offset:b.Offset+b.Dims])
			}
		}
		if vecmath.Normalize(masked) {
			out[i] = masked
		}
	}
	return out
}

// without is the view as it would be without a block; itself if it has none of that name.
func (v View) without(block string) View {
	if !v.has(block) {
		return v
	}
	v.vectors = keep(v.space, v.vectors, func(name string) bool { return name != block })
	return v
}

func (v View) has(block string) bool {
	if v.space == nil {
		return false
	}
	for _, b := range v.space.Layout() {
		if b.Name == block {
			return true
		}
	}
	return false
}

// rawViews are what the spaces are held against: the encoder's output as it is, by cosine and by
// distance, the picture's pixels and colours, and chance.
func rawViews(items []Item, seed uint64) []View {
	encoder := View{Name: viewEncoder, vectors: make([][]float32, len(items))}
	distance := View{Name: viewEncoder + viewDistance, Euclidean: true, vectors: make([][]float32, len(items))}
	pixels := View{Name: viewPixels, vectors: make([][]float32, len(items))}
	histogram := View{Name: viewHistogram, vectors: make([][]float32, len(items))}
	random := View{Name: viewRandom, vectors: make([][]float32, len(items))}
	for i := range items {
		it := &items[i]
		if raw := it.Input.Image; raw != nil {
			distance.vectors[i] = raw
			encoder.vectors[i] = unit(raw)
		}
		if it.Picture != nil {
			pixels.vectors[i] = it.Picture.raw32()
			histogram.vectors[i] = it.Picture.histogram()
		}
		random.vectors[i] = chance(it.ID, seed)
	}
	centre(pixels.vectors)
	for i, x := range pixels.vectors {
		pixels.vectors[i] = unit(x)
	}
	return []View{encoder, distance, histogram, pixels, random}
}

func root(x float64) float32 { return float32(math.Sqrt(x)) }

// unit is x at length 1; nil for zeros.
func unit(x []float32) []float32 {
	out := append([]float32(nil), x...)
	if !vecmath.Normalize(out) {
		return nil
	}
	return out
}

// centre takes the mean off all rows that there are.
func centre(rows [][]float32) {
	var sum []float64
	n := 0
	for _, x := range rows {
		if x == nil {
			continue
		}
		if sum == nil {
			sum = make([]float64, len(x))
		}
		for j, v := range x {
			sum[j] += float64(v)
		}
		n++
	}
	for _, x := range rows {
		for j := range x {
			x[j] -= float32(sum[j] / float64(n))
		}
	}
}

// chance is a direction that depends on nothing but an item's id and the seed.
func chance(id string, seed uint64) []float32 {
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	r := rand.New(rand.NewPCG(h.Sum64(), seed))
	out := make([]float32, 16)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	vecmath.Normalize(out)
	return out
}
