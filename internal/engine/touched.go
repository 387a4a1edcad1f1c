package engine

import "sync"

// touchedItems are the items whose served factor is out of date: new interactions or changed
// content. FoldIn takes them. The zero value is empty; safe for concurrent use.
type touchedItems struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (t *touchedItems) add(itemIDs ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids == nil {
		t.ids = make(map[string]struct{})
	}
	for _, id := range itemIDs {
		t.ids[id] = struct{}{}
	}
}

// take removes and returns at most limit items.
func (t *touchedItems) take(limit int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for id := range t.ids {
		if len(out) == limit {
			break
		}
		out = append(out, id)
		delete(t.ids, id)
	}
	return out
}

func (t *touchedItems) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ids)
}
