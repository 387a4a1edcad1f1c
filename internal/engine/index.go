package engine

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/ann"
)

// RebuildIndex brings into the graph of the index what has changed, if that is due, and reports
// whether it was. Requests and writes go on meanwhile; the result becomes the live one between
// two writes.
//
// Errors: the context's; recsys.ErrConflict if another index went live meanwhile, that of
// another space, say: the next call starts from that.
func (e *Engine) RebuildIndex(ctx context.Context) (rebuilt bool, err error) {
	s := e.state.Load()
	old, ok := s.index.(ann.Rebuilder)
	if !ok || !old.RebuildDue() {
		return false, nil
	}
	start := e.now()
	built, err := old.Rebuild(ctx)
	if err != nil {
		return false, err
	}
	stats, err := e.adopt(built)
	if err != nil {
		return false, err
	}
	e.log.Info("index rebuilt", "items", stats.Items, "nodes", stats.Nodes, "tail", stats.Tail, "ef", stats.Ef, "seconds", e.now().Sub(start).Seconds())
	return true, nil
}

// adopt makes what was built live, together with what has changed since.
func (e *Engine) adopt(built *ann.Built) (ann.Stats, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := *e.state.Load()
	index, err := next.index.(ann.Rebuilder).Adopt(built) // all indexes of a process are of one engine
	if err != nil {
		return ann.Stats{}, err
	}
	next.index = index
	e.state.Store(&next)
	return index.Stats(), nil
}

// IndexStats describes the live index; zero before Load.
func (e *Engine) IndexStats() ann.Stats {
	s := e.state.Load()
	if s == nil {
		return ann.Stats{}
	}
	return s.index.Stats()
}
