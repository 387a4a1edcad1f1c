package ann

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

var (
	ourStamp = Stamp{Space: 7, Model: -2, Change: 1 << 40}
	ourExtra = []byte("names of the items")
)

func ourWant(dims int) Want {
	return Want{Space: 7, Model: -2, Dims: dims, OldestChange: 1 << 39, NewestChange: 1 << 40}
}

// worn returns an index of the engine with everything a file can hold: duplicates, dead
// entries, a tail, items far apart.
func worn(t testing.TB, e engine, dims int) version {
	t.Helper()
	rng := rand.New(rand.NewPCG(141, 1))
	source := clustered(rng, dims)
	one := source()
	v := newVersion(e, dims)
	changes := additions(300, source)
	for i := range 40 {
		changes = append(changes, Change{uint32(i) * 90_000_000, one})
	}
	for _, changes := range [][]Change{changes, {{Item: 3}, {4, source()}, {90_000_000, source()}, {1 << 31, source()}, {Item: 7}}} {
		next, err := v.Index.Apply(changes)
		if err != nil {
			t.Fatal(err)
		}
		v = version{e, next, v.follow(changes)}
	}
	return v
}

// bare is an index without the test's wrapping.
func bare(ix Index) Index {
	if x := hnswOf(ix); x != nil {
		return x
	}
	return ix
}

func encoded(t testing.TB, ix Index) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (Snapshot{ourStamp, bare(ix), ourExtra}).write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// configOf returns the settings that read a snapshot into an engine of the suite.
func configOf(e engine) Config {
	c := smallGraph()
	switch ix := e.open(1).(type) {
	case *exact:
		c.Engine = Exact
	case *coder:
		c.Engine = Coder
	case *hnsw:
		c = *ix.config
	}
	return c
}

// An index of any engine comes back as any engine, and answers as it did.
func TestSnapshotComesBack(t *testing.T) {
	eachEngine(t, func(t *testing.T, from engine) {
		for _, dims := range []int{5, 64} {
			v := worn(t, from, dims)
			path := filepath.Join(t.TempDir(), "index")
			if err := (Snapshot{ourStamp, bare(v.Index), ourExtra}).Save(path); err != nil {
				t.Fatal(err)
			}
			for _, to := range engines() {
				s, err := Open(path, configOf(to), ourWant(dims))
				if err != nil {
					t.Fatalf("as %s: %v", to.name, err)
				}
				if s.Stamp != ourStamp || !bytes.Equal(s.Extra, ourExtra) {
					t.Errorf("as %s: stamp %v and extra %q", to.name, s.Stamp, s.Extra)
				}
				back := version{to, s.Index, v.twin}
				back.checkVectors(t, 3, 7, 80)
				query := v.twin[11]
				back.checkSearch(t, query, 20, nil)
				back.checkSearch(t, query, 20, odd)
				if a, b := hnswOf(v.Index), hnswOf(s.Index); a != nil && b != nil && a.base.graph != nil && b.config.walkAlways {
					want, _ := a.Search(query, 30, nil)
					got, _ := b.Search(query, 30, nil)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("the same graph answers otherwise (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(a.Stats().Ef, b.Stats().Ef); diff != "" {
						t.Errorf("ef (-want +got):\n%s", diff)
					}
				}
				back.apply(t, Change{Item: 11}, Change{80, query}).checkVectors(t, 11) // life goes on
			}
		}
	})
}

func TestEmptySnapshot(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		file := encoded(t, newVersion(e, 3).Index)
		s, err := read(bytes.NewReader(file), int64(len(file)), configOf(e), ourWant(3))
		if err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		version{e, s.Index, map[uint32][]float32{}}.checkVectors(t, 0)
	}
}

// A file is there whole or not at all, and a failed Save leaves nothing behind.
func TestSaveReplaces(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "index")
	v := worn(t, engines()[0], 5)
	for change := range int64(3) {
		if err := (Snapshot{Stamp{Change: change}, v.Index, nil}).Save(path); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, DefaultConfig(), Want{Dims: 5, NewestChange: 9})
		if err != nil || s.Stamp.Change != change {
			t.Errorf("change %d came back as %d, %v", change, s.Stamp.Change, err)
		}
	}
	if err := (Snapshot{Index: strange{v.Index}}).Save(path); !errors.Is(err, recsys.ErrUnimplemented) {
		t.Errorf("saving a strange index: %v", err)
	}
	if err := (Snapshot{Index: v.Index}).Save(filepath.Join(folder, "no", "folder")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saving where there is no folder: %v", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; want the index alone", entries, err)
	}
}

type strange struct{ Index }

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	const dims = 5
	path := filepath.Join(t.TempDir(), "index")
	v := worn(t, engines()[len(engines())-1], dims)
	if err := (Snapshot{ourStamp, bare(v.Index), ourExtra}).Save(path); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		want func(w *Want)
		err  error
	}{
		"space":         {func(w *Want) { w.Space = 8 }, recsys.ErrIncompatible},
		"model":         {func(w *Want) { w.Model = 0 }, recsys.ErrIncompatible},
		"dims":          {func(w *Want) { w.Dims = 6 }, recsys.ErrIncompatible},
		"too old":       {func(w *Want) { w.OldestChange, w.NewestChange = 1<<40+1, 1<<41 }, recsys.ErrIncompatible},
		"of the future": {func(w *Want) { w.NewestChange = 1<<40 - 1 }, recsys.ErrIncompatible},
		"no dims":       {func(w *Want) { w.Dims = 0 }, recsys.ErrInvalid},
	} {
		want := ourWant(dims)
		c.want(&want)
		if s, err := Open(path, smallGraph(), want); !errors.Is(err, c.err) || s.Index != nil {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
	if _, err := Open(path+"-", smallGraph(), ourWant(dims)); !errors.Is(err, recsys.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want ErrNotFound", err)
	}
	bad := smallGraph()
	bad.M = 0
	if _, err := Open(path, bad, ourWant(dims)); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("settings that are no good: %v, want ErrInvalid", err)
	}
}

// Whatever happens to a file, it is refused or comes back as it was.
func TestDamagedSnapshots(t *testing.T) {
	t.Parallel()
	const dims = 50
	v := worn(t, engines()[len(engines())-1], dims)
	file := encoded(t, v.Index)
	rng := rand.New(rand.NewPCG(142, 1))
	damages := map[string]func(b []byte) []byte{
		"a bit":  func(b []byte) []byte { b[rng.IntN(len(b))] ^= 1 << rng.IntN(8); return b },
		"cut":    func(b []byte) []byte { return b[:rng.IntN(len(b))] },
		"longer": func(b []byte) []byte { return append(b, make([]byte, 1+rng.IntN(300))...) },
		"a hole": func(b []byte) []byte {
			from := rng.IntN(len(b))
			clear(b[from:min(len(b), from+1+rng.IntN(4096))])
			return b
		},
		"noise": func(b []byte) []byte {
			from := rng.IntN(len(b))
			for i := from; i < min(len(b), from+64); i++ {
				b[i] = byte(rng.Uint32())
			}
			return b
		},
		"swapped": func(b []byte) []byte { i, j := rng.IntN(len(b)), rng.IntN(len(b)); b[i], b[j] = b[j], b[i]; return b },
		"moved":   func(b []byte) []byte { at := rng.IntN(len(b)); return slices.Concat(b[at:], b[:at]) },
		"two pages": func(b []byte) []byte {
			from := rng.IntN(len(b) - 8192)
			copy(b[from:from+4096], b[from+4096:])
			return b
		},
	}
	for name, damage := range damages {
		for range 60 {
			b := damage(slices.Clone(file))
			s, err := read(bytes.NewReader(b), int64(len(b)), smallGraph(), ourWant(dims))
			switch {
			case errors.Is(err, recsys.ErrCorrupt), errors.Is(err, recsys.ErrIncompatible):
				if s.Index != nil {
					t.Fatalf("%s: an index beside the error", name)
				}
			case err == nil && bytes.Equal(b, file):
			default:
				t.Fatalf("%s: %v, want ErrCorrupt or ErrIncompatible", name, err)
			}
		}
	}
}

// reseal makes all checksums right that a header's lengths lead to.
func reseal(b []byte) []byte {
	b = slices.Clone(b)
	if len(b) < headerBytes {
		return b
	}
	var h header
	if _, err := binary.Decode(b, binary.LittleEndian, &h); err != nil {
		panic(err)
	}
	copy(b, h.encode())
	if h.fault() != "" || h.Extra > uint64(len(b)) || h.fileBytes() != int64(len(b)) {
		return b
	}
	entries, nodes, tail, dims := int(h.Entries), int(h.Nodes[0]), int(h.Tail), int(h.Dims)
	lengths := []int{int(h.Extra), 4 * entries, 4 * (nodes + 1), 8 * ((entries + 63) / 64)}
	for layer := range h.layers() {
		width := int(h.M)
		if layer == 0 {
			width *= 2
		}
		lengths = append(lengths, 4*width*int(h.Nodes[layer]))
	}
	at := headerBytes
	for _, n := range append(lengths, 4*nodes*dims, 4*tail, 4*tail*dims) {
		binary.LittleEndian.PutUint32(b[at+n:], crc32.Checksum(b[at:at+n], castagnoli))
		at += n + sumBytes
	}
	return b
}

// A file whose checksums are right is checked all the same.
func TestWrongFilesWithRightChecksums(t *testing.T) {
	t.Parallel()
	const dims = 5
	v := worn(t, engines()[len(engines())-1], dims)
	x := hnswOf(v.Index)
	file := encoded(t, x)
	if !bytes.Equal(file, reseal(file)) {
		t.Fatal("sealing anew changes a good file")
	}
	extra := headerBytes + len(ourExtra) + sumBytes
	first := extra + 4*len(x.base.items) + sumBytes
	dead := first + 4*len(x.base.first) + sumBytes
	links := dead + 8*((len(x.base.items)+63)/64) + sumBytes
	vectors := links
	for layer := range x.base.graph.layers {
		vectors += 4*len(x.base.graph.layers[layer]) + sumBytes
	}
	tail := vectors + 4*len(x.base.rows.floats) + sumBytes
	tailVectors := tail + 4*x.tail.live + sumBytes
	word := func(at int, value uint32) func(b []byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], value) }
	}
	same := func(to, from int) func(b []byte) { return func(b []byte) { copy(b[to:to+4], b[from:from+4]) } }
	for name, damage := range map[string]func(b []byte){
		"an item twice":                 same(extra, extra+4),
		"an item of a node twice":       same(extra+4*int(firstOfMany(x)), extra+4*int(firstOfMany(x))+4),
		"a node without items":          same(first+4, first),
		"items before the first":        word(first, 1),
		"more items than there are":     word(first+4*3, 1<<30),
		"an entry that is not is dead":  func(b []byte) { b[links-sumBytes-1] |= 0x80 },
		"a link to nowhere":             word(links, uint32(x.base.rows.len())),
		"a link to itself":              word(links, 0),
		"a link after the end":          word(links, noLink),
		"a link up":                     word(vectors-sumBytes-4*x.base.graph.m, uint32(x.base.rows.len()-1)),
		"NaN":                           word(vectors, 0x7fc00000),
		"infinity":                      word(tailVectors, 0xff800000),
		"a zero vector":                 func(b []byte) { clear(b[vectors : vectors+4*dims]) },
		"too long a vector":             word(vectors, math.Float32bits(3e38)),
		"an item of the tail twice":     same(tail, tail+4),
		"an item of the graph and tail": word(tail, aliveItem(x)),
		"a layer larger than the last":  word(96+4, math.MaxUint32),
		"dimensions":                    word(12, 0),
		"one link":                      word(40, 1),
		"no links":                      word(40, 0),
		"ef of NaN":                     func(b []byte) { binary.LittleEndian.PutUint64(b[64:], math.Float64bits(math.NaN())) },
		"ef of 0":                       func(b []byte) { clear(b[64:72]) },
		"visited of 1e300":              func(b []byte) { binary.LittleEndian.PutUint64(b[80:], math.Float64bits(1e300)) },
		"more extra than there is":      func(b []byte) { binary.LittleEndian.PutUint64(b[56:], math.MaxUint64) },
		"more items than nodes hold":    word(44, math.MaxUint32),
		"more tail than there is":       word(48, math.MaxUint32),
	} {
		t.Run(name, func(t *testing.T) {
			b := slices.Clone(file)
			damage(b)
			if b = reseal(b); bytes.Equal(b, file) {
				t.Fatal("nothing was damaged")
			}
			want := ourWant(dims)
			if name == "dimensions" {
				want.Dims = 0
			}
			if s, err := read(bytes.NewReader(b), int64(len(b)), smallGraph(), want); !errors.Is(err, recsys.ErrCorrupt) && want.Dims > 0 || err == nil || s.Index != nil {
				t.Errorf("%v, want ErrCorrupt", err)
			}
		})
	}
	t.Run("a link missing is no fault", func(t *testing.T) {
		b := slices.Clone(file)
		for i := range 2 * x.base.graph.m {
			word(links+4*i, noLink)(b)
		}
		b = reseal(b)
		s, err := read(bytes.NewReader(b), int64(len(b)), smallGraph(), ourWant(dims))
		if err != nil {
			t.Fatal(err)
		}
		version{v.engine, s.Index, v.twin}.checkSearch(t, v.twin[11], 20, nil) // the scan finds them
	})
}

// firstOfMany is the entry at which the items of a node with several begin.
func firstOfMany(x *hnsw) uint32 {
	for node := range uint32(x.base.rows.len()) {
		if len(x.base.itemsOf(node)) > 1 {
			return x.base.first[node]
		}
	}
	panic("no duplicates")
}

func aliveItem(x *hnsw) uint32 {
	for entry, item := range x.base.items {
		if !x.dead.has(uint32(entry)) {
			return item
		}
	}
	panic("none alive")
}

// A header that promises more than the file has must not be believed. (Not parallel: the
// whole process's memory is measured.)
func TestHeadersThatPromiseTooMuch(t *testing.T) {
	h := header{Dims: maxDims, M: 64, Entries: math.MaxUint32, Tail: math.MaxUint32, Stamp: ourStamp, Ef: [2]float64{1, 1}, Visited: [2]float64{1, 1}}
	for layer := range h.Nodes {
		h.Nodes[layer] = maxNodes
	}
	b := append(h.encode(), make([]byte, 100)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := read(bytes.NewReader(b), int64(len(b)), smallGraph(), ourWant(maxDims))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, recsys.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
		t.Errorf("%d bytes were allocated for a file of %d", taken, len(b))
	}
}

// FuzzOpen reads anything, as it is and with its checksums made right: it is refused, or it
// is an index that can be searched.
func FuzzOpen(f *testing.F) {
	for _, e := range engines() {
		for _, dims := range []int{3, 50} {
			v := newVersion(e, dims)
			source := clustered(rand.New(rand.NewPCG(143, 1)), dims)
			f.Add(encoded(f, v.Index))
			next, err := v.Index.Apply(additions(6, source))
			if err != nil {
				f.Fatal(err)
			}
			if next, err = next.Apply([]Change{{Item: 1}, {2, source()}}); err != nil {
				f.Fatal(err)
			}
			f.Add(encoded(f, next))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, reseal(b)} {
			if err := openAny(b); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func openAny(b []byte) error {
	if len(b) < headerBytes {
		b = append(slices.Clone(b), make([]byte, headerBytes-len(b))...)
	}
	dims := int(binary.LittleEndian.Uint32(b[12:]))
	want := Want{Space: 7, Model: -2, Dims: dims, OldestChange: math.MinInt64, NewestChange: math.MaxInt64}
	if dims < 1 || dims > 1000 {
		want.Dims = 3
	}
	s, err := read(bytes.NewReader(b), int64(len(b)), smallGraph(), want)
	if err != nil {
		if errors.Is(err, recsys.ErrCorrupt) || errors.Is(err, recsys.ErrIncompatible) {
			return nil
		}
		return fmt.Errorf("refused with %w", err)
	}
	x := s.Index.(*hnsw)
	if err := x.tail.fault(); err != nil {
		return err
	}
	query := make([]float32, want.Dims)
	query[0] = 1
	hits, err := x.Search(query, 5, nil)
	if err == nil && len(hits) != min(5, x.Len()) {
		err = fmt.Errorf("%d hits of %d items", len(hits), x.Len())
	}
	return err
}
