package ann

import (
	"fmt"
	"io"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// write writes the whole file.
func (s Snapshot) write(w io.Writer) error {
	base, dead, tail, err := s.parts()
	if err != nil {
		return err
	}
	h := header{Dims: uint32(tail.dims), Stamp: s.Stamp, Entries: uint32(len(base.items)), Tail: uint32(tail.live), Extra: uint64(len(s.Extra))}
	var layers [][]uint32
	if g := base.graph; g != nil {
		h.M, h.Ef, h.Visited = uint32(g.m), base.effort.ef, base.effort.visited
		for layer := range g.layers {
			h.Nodes[layer] = uint32(g.nodes(layer))
		}
		layers = g.layers
	}
	if _, err := w.Write(h.encode()); err != nil {
		return err
	}
	out := &sectionWriter{w: w}
	out.bytes(s.Extra)
	out.end()
	out.words(base.items)
	out.end()
	out.words(base.first)
	out.end()
	out.bitmap(dead, len(base.items))
	out.end()
	for _, links := range layers {
		out.words(links)
		out.end()
	}
	out.floats(base.rows.floats)
	out.end()
	tail.each(func(item uint32, _ []float32) { out.words([]uint32{item}) })
	out.end()
	tail.each(func(_ uint32, vector []float32) { out.floats(vector) })
	out.end()
	return out.err
}

// parts takes the index apart; an engine without a base is all tail.
func (s Snapshot) parts() (b *base, dead *bitmap, tail *exact, err error) {
	switch x := s.Index.(type) {
	case *hnsw:
		return x.base, &x.dead, x.tail, nil
	case *exact:
		return noBase(x.dims, false), new(bitmap), x, nil
	case *coder:
		return noBase(x.dims, false), new(bitmap), x.exact, nil
	}
	return nil, nil, nil, fmt.Errorf("an index of type %T: %w", s.Index, recsys.ErrUnimplemented)
}
