package ann

import (
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// read reads a file of so many bytes.
//
// A checksum tells that a section is what was written. What is read is checked all the
// same, as if it came from a stranger: kernels and walks rely on it, and a file that was
// written wrongly must be refused too.
func read(r io.Reader, size int64, c Config, want Want) (Snapshot, error) {
	empty, err := c.New(want.Dims)
	if err != nil {
		return Snapshot{}, err
	}
	first := make([]byte, headerBytes)
	if err := readFull(r, first); err != nil {
		return Snapshot{}, err
	}
	h, err := decodeHeader(first, size, want)
	if err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{Stamp: h.Stamp, Extra: make([]byte, h.Extra)}
	d := &decoder{in: sectionReader{r: r}, header: h, x: newHNSW(want.Dims, c)}
	if err := d.read(s.Extra); err != nil {
		return Snapshot{}, err
	}
	switch x := empty.(type) {
	case *hnsw:
		s.Index = d.x
	case *exact:
		if len(d.x.base.items) == 0 && d.x.tail.coded == x.coded {
			s.Index = d.x.tail
			break
		}
		s.Index, err = flatten(d.x, empty)
	default:
		s.Index, err = flatten(d.x, empty)
	}
	return s, err
}

// flatten returns empty with the items of x.
func flatten(x *hnsw, empty Index) (Index, error) {
	changes := make([]Change, 0, x.Len())
	x.each(func(item uint32, vector []float32) { changes = append(changes, Change{item, vector}) })
	return empty.Apply(changes)
}

// decoder fills an index from the sections of a file.
type decoder struct {
	in     sectionReader
	header header
	x      *hnsw
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, recsys.ErrCorrupt)...)
}

func (d *decoder) read(extra []byte) error {
	if err := d.in.bytes(extra); err != nil {
		return err
	}
	if err := d.in.end("extra part"); err != nil {
		return err
	}
	for _, section := range []func() error{d.items, d.dead, d.links, d.vectors, d.tail} {
		if err := section(); err != nil {
			return err
		}
	}
	return nil
}

// items reads the items of the base and whose they are.
func (d *decoder) items() error {
	b := noBase(d.x.tail.dims, false)
	b.items, b.first = make([]uint32, d.header.Entries), make([]uint32, d.header.Nodes[0]+1)
	if err := d.in.words(b.items); err != nil {
		return err
	}
	if err := d.in.end("items"); err != nil {
		return err
	}
	if err := d.in.words(b.first); err != nil {
		return err
	}
	if err := d.in.end("nodes"); err != nil {
		return err
	}
	n := len(b.first) - 1
	if b.first[0] != 0 || int(b.first[n]) != len(b.items) {
		return corrupt("the nodes do not have the items")
	}
	o := new(token)
	for node := range uint32(n) {
		if b.first[node] >= b.first[node+1] || int(b.first[node+1]) > len(b.items) {
			return corrupt("node %d has no items", node)
		}
		last := int64(-1)
		for _, item := range b.itemsOf(node) {
			if _, twice := b.nodes.get(item); twice || int64(item) <= last {
				return corrupt("item %d of node %d is out of order or there twice", item, node)
			}
			b.nodes, last = b.nodes.set(o, item, node), int64(item)
		}
	}
	d.x.base = b
	return nil
}

// dead reads which entries are dead.
func (d *decoder) dead() error {
	entries := int(d.header.Entries)
	words := make([]uint32, 2*((entries+63)/64))
	if err := d.in.words(words); err != nil {
		return err
	}
	if err := d.in.end("dead entries"); err != nil {
		return err
	}
	o := new(token)
	for i, word := range words {
		for ; word != 0; word &= word - 1 {
			entry := 32*i + bits.TrailingZeros32(word)
			if entry >= entries {
				return corrupt("entry %d of %d is dead", entry, entries)
			}
			d.x.dead.add(o, uint32(entry))
		}
	}
	return nil
}

// links reads the graph.
func (d *decoder) links() error {
	layers := d.header.layers()
	if layers == 0 {
		return nil
	}
	g := &graph{rows: &d.x.base.rows, m: int(d.header.M)}
	for layer := range layers {
		n := d.header.Nodes[layer]
		links := make([]uint32, int(n)*g.width(layer))
		if err := d.in.words(links); err != nil {
			return err
		}
		if err := d.in.end(fmt.Sprintf("links of layer %d", layer)); err != nil {
			return err
		}
		g.layers = append(g.layers, links)
		for node := range n {
			mine := g.links(layer, node)
			end := len(mine)
			if at := slices.Index(mine, noLink); at >= 0 {
				end = at
			}
			for i, link := range mine {
				if i < end && (link >= n || link == node) || i >= end && link != noLink {
					return corrupt("layer %d, node %d: no such links", layer, node)
				}
			}
		}
	}
	d.x.base.graph = g
	d.x.base.effort = effort{ef: d.header.Ef, visited: d.header.Visited}
	return nil
}

// vectors reads the vectors of the base and makes their codes.
func (d *decoder) vectors() error {
	r := &d.x.base.rows
	n := int(d.header.Nodes[0])
	r.floats = make([]float32, n*r.dims)
	if d.x.tail.coded {
		r.codes, r.scale = make([]uint8, n*vecmath.CodeLen(r.dims)), make([]float32, n)
	}
	for from := 0; from < n; from += batchRows(r.dims) {
		to := min(n, from+batchRows(r.dims))
		if err := d.in.floats(r.floats[from*r.dims : to*r.dims]); err != nil {
			return err
		}
		for i := from; i < to; i++ { // while they are in the cache
			if err := checkStored(r.row(i)); err != nil {
				return err
			}
			if d.x.tail.coded {
				r.encode(i)
			}
		}
	}
	return d.in.end("vectors")
}

// batchRows is how many vectors are read and worked on at once.
func batchRows(dims int) int { return max(1, pieceBytes/(4*dims)) }

// checkStored refuses what Apply would have refused.
func checkStored(vector []float32) error {
	if norm, err := checkVector("vector", len(vector), vector); err != nil || norm == 0 {
		return corrupt("a vector is zero, not finite or too long")
	}
	return nil
}

// tail reads the items outside the graph.
func (d *decoder) tail() error {
	items := make([]uint32, d.header.Tail)
	if err := d.in.words(items); err != nil {
		return err
	}
	if err := d.in.end("items of the tail"); err != nil {
		return err
	}
	dims := d.x.tail.dims
	batch := make([]float32, batchRows(dims)*dims)
	for len(items) > 0 {
		n := min(len(items), batchRows(dims))
		if err := d.in.floats(batch[:n*dims]); err != nil {
			return err
		}
		changes := make([]Change, n)
		for i, item := range items[:n] {
			vector := batch[i*dims : (i+1)*dims]
			if err := checkStored(vector); err != nil {
				return err
			}
			if _, entry, ok := d.x.base.find(item); ok && !d.x.dead.has(entry) {
				return corrupt("item %d is in the graph and in the tail", item)
			}
			changes[i] = Change{item, vector}
		}
		before := d.x.tail.live
		d.x.tail = d.x.tail.applyChecked(changes)
		if d.x.tail.live != before+n {
			return corrupt("an item of the tail is there twice")
		}
		items = items[n:]
	}
	return d.in.end("vectors of the tail")
}
