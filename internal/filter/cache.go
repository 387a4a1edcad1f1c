package filter

import (
	"container/list"
	"sync"
)

// Cache keeps the programs of the expressions used last, and with them their answers. It is
// safe for concurrent use.
type Cache struct {
	mu       sync.Mutex
	capacity int
	programs map[string]*list.Element // of *Program, by expression
	used     *list.List               // most recently used first
}

// NewCache returns a Cache of at most capacity programs, at least one. A program keeps
// up to three answers of up to one bit per item.
func NewCache(capacity int) *Cache {
	return &Cache{capacity: max(1, capacity), programs: make(map[string]*list.Element), used: list.New()}
}

// Compile is Compile for an expression that may have been compiled before. A program compiled
// for another Schema is compiled again and replaced.
//
// Errors: those of Compile; they are not kept.
func (c *Cache) Compile(expression string, s *Schema) (*Program, error) {
	if p := c.find(expression, s); p != nil {
		return p, nil
	}
	p, err := Compile(expression, s)
	if err != nil {
		return nil, err
	}
	return c.keep(p), nil
}

func (c *Cache) find(expression string, s *Schema) *Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.programs[expression]
	if !ok || at.Value.(*Program).schema != s {
		return nil
	}
	c.used.MoveToFront(at)
	return at.Value.(*Program)
}

// keep enters a program, unless another goroutine has entered its equal meanwhile, and returns
// the one to use.
func (c *Cache) keep(p *Program) *Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.programs[p.expression]; ok {
		if there := at.Value.(*Program); there.schema == p.schema {
			return there
		}
		c.used.Remove(at)
	}
	c.programs[p.expression] = c.used.PushFront(p)
	if c.used.Len() > c.capacity {
		oldest := c.used.Back()
		c.used.Remove(oldest)
		delete(c.programs, oldest.Value.(*Program).expression)
	}
	return p
}
