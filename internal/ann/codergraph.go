package ann

import (
	"math/rand"
	"sync"

	coderhnsw "github.com/coder/hnsw"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// coderGraph guards one graph of the library. It is shared by all versions of a coder
// since the last rebuild and only ever grows: it holds nodes of items and vectors
// that some version no longer has or does not have yet, so what it finds is a list of
// suggestions, for the version to check against its own vectors.
//
// Readers exclude the writer for the time of one insertion, never for a batch.
type coderGraph struct {
	mu     sync.RWMutex
	lib    *coderhnsw.Graph[uint64]
	serial uint32 // makes keys unique: adding a key again panics
	nodes  int
	broken bool // the library has panicked; what state it is in is unknown
}

func newCoderGraph() *coderGraph {
	lib := coderhnsw.NewGraph[uint64]()
	lib.Distance = func(a, b []float32) float32 { return 1 - vecmath.Dot(a, b) }
	// Levels must come from somewhere; a fixed seed makes two builds alike.
	lib.Rng = rand.New(rand.NewSource(1))
	return &coderGraph{lib: lib}
}

// insert adds a node. The vector is kept, not copied, and must never change.
func (g *coderGraph) insert(item uint32, vector []float32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken {
		return
	}
	defer func() {
		if recover() != nil {
			g.broken = true
			g.lib = nil
		}
	}()
	g.lib.Add(coderhnsw.MakeNode(uint64(item)<<32|uint64(g.serial), vector))
	g.serial++
	g.nodes++
}

// search returns up to n items near the query, in no order, some perhaps twice; false
// if the graph is broken.
func (g *coderGraph) search(query []float32, n int) (items []uint32, ok bool) {
	items, ok, panicked := g.trySearch(query, n)
	if panicked {
		g.mu.Lock()
		g.broken = true
		g.lib = nil
		g.mu.Unlock()
	}
	return items, ok
}

func (g *coderGraph) trySearch(query []float32, n int) (items []uint32, ok, panicked bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.broken {
		return nil, false, false
	}
	defer func() {
		if recover() != nil {
			items, ok, panicked = nil, false, true
		}
	}()
	found := g.lib.Search(query, n)
	items = make([]uint32, len(found))
	for i, node := range found {
		items[i] = uint32(node.Key >> 32)
	}
	return items, true, false
}

// state returns how many nodes there are and whether the graph can be searched.
func (g *coderGraph) state() (nodes int, broken bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.nodes, g.broken
}
