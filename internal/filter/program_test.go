package filter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// residualExpression is one that only CEL can answer.
const residualExpression = `attributes.price * 2 < 100 || title == "none"`

func priced(price float64) *recsys.Item {
	return &recsys.Item{ItemID: fmt.Sprint("p", price), Attributes: map[string]recsys.Attribute{
		"price": recsys.Number(price), "parity": recsys.Labels([]string{"even", "odd"}[int(price)%2])}}
}

func pricedVersion(n int) version {
	v := newVersion()
	for i := range n {
		v = v.apply(Change{uint32(i), priced(float64(i))})
	}
	return v
}

func mustCompile(t testing.TB, expression string, s *Schema) *Program {
	t.Helper()
	p, err := Compile(expression, s)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return p
}

func mustMatch(t testing.TB, v version, p *Program) []uint32 {
	t.Helper()
	found, err := v.matches(p)
	if err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	return found
}

// TestVersionsDoNotChange keeps every version of a long history and looks at all in the end.
func TestVersionsDoNotChange(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(11, 12))}
	versions := []version{seeded(g, 300)}
	for range 150 {
		versions = append(versions, changed(g, versions[len(versions)-1]))
	}
	for i, v := range versions {
		if err := v.fault(); err != nil {
			t.Fatalf("version %d: %v", i, err)
		}
	}
}

// TestAnswersOfOldVersions asks one program about versions in any order, far apart ones too.
func TestAnswersOfOldVersions(t *testing.T) {
	t.Parallel()
	versions := []version{pricedVersion(300)}
	for i := range 3 * spacing {
		last := versions[len(versions)-1]
		versions = append(versions, last.apply(Change{uint32(i), priced(float64((i*37)%300 + 1))}))
	}
	g := rand.New(rand.NewPCG(1, 1))
	order := append(slices.Repeat([]int{0, spacing, 2 * spacing, 3 * spacing}, 2), g.Perm(len(versions))...)
	for _, expression := range []string{residualExpression, `attributes.parity.exists(p, p.startsWith("o"))`, `attributes.parity != "odd"`} {
		p := mustCompile(t, expression, versions[0].Schema())
		for _, at := range order {
			if err := checkAnswer(p, versions[at].Index); err != nil {
				t.Fatalf("version %d: %v", at, err)
			}
		}
	}
}

// TestBranches applies different changes to one version: each branch answers for itself.
func TestBranches(t *testing.T) {
	t.Parallel()
	v := pricedVersion(100)
	p := mustCompile(t, residualExpression, v.Schema())
	before := mustMatch(t, v, p)
	left, right := v.apply(Change{7, nil}), v.apply(Change{8, nil})
	left, right = left.apply(Change{7, priced(9)}), right.apply(Change{9, nil})
	for range 2 {
		for _, c := range []struct {
			v    version
			want []uint32
		}{{v, before}, {left, before}, {right, without(before, 8, 9)}} {
			if diff := cmp.Diff(c.want, mustMatch(t, c.v, p)); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	}
	if err := errors.Join(left.fault(), right.fault(), v.fault()); err != nil {
		t.Error(err)
	}
}

func without(list []uint32, numbers ...uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(list), func(n uint32) bool { return slices.Contains(numbers, n) })
}

// TestUnchangedItemsAreNotAskedAgain re-registers items as they are.
func TestUnchangedItemsAreNotAskedAgain(t *testing.T) {
	t.Parallel()
	v := gallerist()
	same := v
	for number, it := range v.items {
		same = same.apply(Change{number, it})
	}
	if changed, _ := same.changedSince(v.version); !changed.IsEmpty() {
		t.Errorf("%v count as changed", changed)
	}
	renamed := *v.items[2]
	renamed.Title = "Another"
	next := same.apply(Change{2, &renamed}, Change{3, nil})
	changed, present := next.changedSince(v.version)
	if !slices.Equal(changed.ToArray(), []uint32{2, 3}) || !slices.Equal(present.ToArray(), []uint32{2}) {
		t.Errorf("%v count as changed and %v are there, want [2 3] and [2]", changed, present)
	}
}

// TestSchemaGrows adds a name, then a kind: programs are bound to what they were compiled for,
// and what was known stays known.
func TestSchemaGrows(t *testing.T) {
	t.Parallel()
	v := pricedVersion(10)
	p := mustCompile(t, `attributes.price < 5`, v.Schema())
	same := v.apply(Change{3, priced(33)})
	if same.Schema() != v.Schema() {
		t.Error("a change without new names or kinds made another Schema")
	}
	next := v.apply(Change{10, &recsys.Item{Attributes: map[string]recsys.Attribute{"price": recsys.Text("on request"), "size": recsys.Labels("L")}}})
	if _, err := p.Bitmap(context.Background(), next.Index); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("a program of an older Schema: %v, want ErrIncompatible", err)
	}
	if diff := cmp.Diff([]string{"parity", "price", "size"}, slices.Sorted(maps.Keys(next.Schema().numbers))); diff != "" {
		t.Error(diff)
	}
	gone := next.apply(Change{10, nil})
	for expression, want := range map[string]int{`attributes.price < 5`: 5, `attributes.price == "on request"`: 0, `attributes.size == "L"`: 0} {
		if got := mustMatch(t, gone, mustCompile(t, expression, gone.Schema())); len(got) != want {
			t.Errorf("%s: found %v", expression, got)
		}
	}
}

// TestAttributesBeyondTheLimit are not known to expressions and do no harm.
func TestAttributesBeyondTheLimit(t *testing.T) {
	t.Parallel()
	v := New()
	for i := range maxAttributes/200 + 1 {
		attributes := make(map[string]recsys.Attribute)
		for j := range 200 {
			attributes[fmt.Sprintf("sku-%05d", i*200+j)] = recsys.Number(1)
		}
		v = v.Apply([]Change{{uint32(i), &recsys.Item{Attributes: attributes}}})
	}
	if n := len(v.Schema().attributes); n != maxAttributes {
		t.Errorf("%d names, want %d", n, maxAttributes)
	}
	checkFault(t, fmt.Sprintf(`attributes["sku-%05d"] == 1`, maxAttributes), v.Schema(), `1:1: unknown attribute "sku-10000"; did you mean "sku-`)
	v = v.Apply([]Change{{uint32(maxAttributes / 200), nil}, {0, nil}})
	if v.Len() != maxAttributes/200-1 {
		t.Errorf("%d items", v.Len())
	}
}

// TestOddItems puts what a careful caller does not: it is kept or left out, never trips.
func TestOddItems(t *testing.T) {
	t.Parallel()
	odd := func(a recsys.Attribute) *recsys.Item {
		return &recsys.Item{Attributes: map[string]recsys.Attribute{"x": a, "": recsys.Labels("nameless")}}
	}
	v := newVersion("never seen").apply(
		Change{0, odd(recsys.Labels("a", "b", "a"))}, Change{1, odd(recsys.Labels("a", "a"))}, Change{2, odd(recsys.Labels())},
		Change{3, odd(recsys.Number(math.NaN()))}, Change{4, odd(recsys.Number(math.Inf(1)))}, Change{5, odd(recsys.Attribute{})},
		Change{70_000, odd(recsys.Labels("a", "\xff\x00"))}, Change{6, nil}, Change{1 << 20, nil})
	next := v.apply(Change{0, odd(recsys.Labels("a"))}, Change{1, odd(recsys.Labels("b", "b"))}, Change{70_000, odd(recsys.Labels("b", "a"))})
	gone := next.apply(Change{0, nil}, Change{1, nil}, Change{70_000, nil}, Change{70_000, nil})
	for i, v := range []version{v, next, gone} {
		if err := v.fault(); err != nil {
			t.Errorf("version %d: %v", i, err)
		}
	}
	if v.Apply(nil) != v.Index {
		t.Error("no change made another version")
	}
	for expression, want := range map[string][]uint32{
		`attributes.x == "a"`: {0, 1, 70_000}, `attributes.x != "b"`: {1, 70_000}, `!has(attributes.x)`: {2, 3, 4, 5},
		`attributes[""] == "nameless" && attributes["never seen"] == 3`: {}, `attributes.x[1] == "a" || attributes.x == "\u00ff"`: {1},
	} {
		if diff := cmp.Diff(want, mustMatch(t, v, mustCompile(t, expression, v.Schema()))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
}

// TestContext ends an evaluation, and the wait for one.
func TestContext(t *testing.T) {
	t.Parallel()
	v := pricedVersion(1000)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, expression := range []string{residualExpression, `attributes.parity.startsWith("e") || attributes.price * 2 < 4`} {
		p := mustCompile(t, expression, v.Schema())
		if _, err := p.Bitmap(ctx, v.Index); !errors.Is(err, context.Canceled) {
			t.Errorf("%s under a cancelled context: %v", expression, err)
		}
		p.turn <- struct{}{}
		if _, err := p.Bitmap(ctx, v.Index); !errors.Is(err, context.Canceled) {
			t.Errorf("%s waiting under a cancelled context: %v", expression, err)
		}
		<-p.turn
		if found := mustMatch(t, v, p); len(found) == 0 {
			t.Errorf("%s: found nothing", expression)
		}
	}
}

// TestConcurrently has one writer and many readers that share programs; each answer is compared
// with that of a plan that shares nothing.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	const items, changes = 400, 600
	v := pricedVersion(items)
	var live atomic.Pointer[Index]
	live.Store(v.Index)
	cache := NewCache(3)
	expressions := []string{residualExpression, `attributes.parity == "odd"`, `attributes.parity.contains("v") && attributes.price * 3 > 600`,
		`attributes.price > 100 && !(attributes.parity in ["even"])`, `timestamp(int(attributes.price) * 1000000000000) < create_time`}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for reader := range 4 {
		readers.Go(func() {
			for turn := reader; ; turn++ {
				if err := readOnce(cache, expressions[turn%len(expressions)], live.Load()); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(2, 3))
	for range changes {
		number := uint32(rng.IntN(items))
		c := Change{number, priced(float64(rng.IntN(items)))}
		if rng.IntN(4) == 0 {
			c.Item = nil
		}
		live.Store(live.Load().Apply([]Change{c}))
	}
	close(done)
	readers.Wait()
}

// TestSharedErrorsOfCEL runs expressions that fail for every item, in all programs at once: see
// the errors written in environment.go. It is not parallel, so that nothing else fails first.
func TestSharedErrorsOfCEL(t *testing.T) {
	v := gallerist()
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range 8 {
		p := mustCompile(t, []string{`timestamp(int(attributes.price) * 1000000000000) < create_time`, `attributes.year.getHours() == 1`}[i%2], v.Schema())
		all.Go(func() {
			<-start
			if found, err := p.Bitmap(context.Background(), v.Index); err != nil || !found.IsEmpty() {
				t.Errorf("%s: %v, %v", p, found, err)
			}
		})
	}
	close(start)
	all.Wait()
}

func readOnce(cache *Cache, expression string, ix *Index) error {
	p, err := cache.Compile(expression, ix.Schema())
	if err != nil {
		return err
	}
	return checkAnswer(p, ix)
}

// checkAnswer compares what a program answers, from what it remembers, with its plan's answer.
func checkAnswer(p *Program, ix *Index) error {
	got, err := p.Bitmap(context.Background(), ix)
	if err != nil {
		return err
	}
	want, err := p.root.match(&query{ctx: context.Background(), ix: ix}, nil)
	if err != nil {
		return err
	}
	if !got.Equals(want) {
		return fmt.Errorf("%s: %v, want %v", p, got, want)
	}
	return nil
}
