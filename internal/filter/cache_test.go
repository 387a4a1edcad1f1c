package filter

import (
	"fmt"
	"sync"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestCache(t *testing.T) {
	t.Parallel()
	v := pricedVersion(3)
	c := NewCache(2)
	compile := func(expression string, s *Schema) *Program {
		t.Helper()
		p, err := c.Compile(expression, s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := compile(`attributes.price < 1`, v.Schema())
	second := compile(`attributes.price < 2`, v.Schema())
	if compile(`attributes.price < 1`, v.Schema()) != first {
		t.Error("the first program was not kept")
	}
	compile(`attributes.price < 3`, v.Schema())
	if c.used.Len() != 2 || compile(`attributes.price < 1`, v.Schema()) != first {
		t.Error("the program used last was dropped")
	}
	if compile(`attributes.price < 2`, v.Schema()) == second {
		t.Error("the program not used for longest was kept")
	}
	grown := v.apply(Change{9, &recsys.Item{Attributes: map[string]recsys.Attribute{"size": recsys.Labels("L")}}})
	renewed := compile(`attributes.price < 2`, grown.Schema())
	if renewed.schema != grown.Schema() || c.used.Len() != 2 {
		t.Errorf("a program of an older Schema was answered, or both are kept: %d", c.used.Len())
	}
	if _, err := c.Compile(`attributes.price <`, v.Schema()); err == nil || c.used.Len() != 2 {
		t.Errorf("a faulty expression: %v, %d kept", err, c.used.Len())
	}
}

func TestCacheConcurrently(t *testing.T) {
	t.Parallel()
	v := pricedVersion(3)
	c := NewCache(4)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 30 {
				expression := fmt.Sprintf(`attributes.price < %d`, (worker+i)%6)
				if p, err := c.Compile(expression, v.Schema()); err != nil || p.String() != expression {
					t.Errorf("%s: %v, %v", expression, p, err)
				}
			}
		})
	}
	all.Wait()
	if c.used.Len() > 4 {
		t.Errorf("%d programs kept, want at most 4", c.used.Len())
	}
}
