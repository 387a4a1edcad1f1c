package als

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

func TestConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
	err := Config{Factors: -1, Alpha0: -1, Regularization: 0, Workers: -1}.Validate()
	for _, field := range []string{"factors", "alpha0", "regularization", "epochs", "cg_steps", "workers"} {
		if !hasField(err, field) {
			t.Errorf("%v does not mention %s", err, field)
		}
	}
	if _, err := Train(t.Context(), newShop(2, 2, 1, false, 1).matrix(t), Content{}, Config{}, nil); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("training with the zero Config: %v, want ErrInvalid", err)
	}
}

func hasField(err error, field string) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return false
	}
	return slices.ContainsFunc(joined.Unwrap(), func(err error) bool {
		var fault *recsys.FieldError
		return errors.As(err, &fault) && fault.Field == field
	})
}

// A sweep with as many steps as there are factors is the exact half-step of the normal equations.
func TestSweepConvergesToTheDenseSolution(t *testing.T) {
	t.Parallel()
	const f = 6
	s := newShop(40, 30, 3, true, 3)
	m, factors := trained(t, s, testConfig(f, 2))
	cfg := testConfig(f, 1)
	w := slices.Clone(factors.W)
	distance := map[int]float64{}
	for _, steps := range []int{1, 3, 3 * f} {
		cfg.CGSteps = steps
		got := slices.Clone(w)
		if err := sweep(t.Context(), cfg, side{rows: &m.byUser, own: got, other: factors.V}); err != nil {
			t.Fatal(err)
		}
		v := denseOf(factors.V, f)
		for u := range s.users {
			want := exactUser(t, s, factors, v, u)
			for k := range want {
				distance[steps] += (want[k] - float64(got[u*f+k])) * (want[k] - float64(got[u*f+k]))
			}
			if steps == 3*f {
				near(t, "converged row", want, got[u*f:(u+1)*f], 1e-4)
			}
		}
	}
	if !(distance[3*f] < distance[3] && distance[3] < distance[1]) {
		t.Errorf("squared distance from the solution after 1, 3 and %d steps: %v, want it to fall", 3*f, distance)
	}
}

func exactUser(t *testing.T, s shop, f *Factors, v dense, user int) []float64 {
	var events []event
	for _, e := range s.entries {
		if int(e.User) == user {
			events = append(events, event{v[e.Item], float64(e.Confidence), float64(e.Target), float64(e.Confidence)})
		}
	}
	lambda := f.Regularization * (twinMass(events) + f.Alpha0*float64(s.items))
	return twinSolve(t, v, events, f.Alpha0, lambda, make([]float64, f.Dims))
}

func TestObjectiveFallsEveryEpoch(t *testing.T) {
	t.Parallel()
	for name, weighted := range map[string]bool{"binary": false, "weighted with dislikes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(60, 40, 4, weighted, 4)
			cfg := testConfig(8, 8)
			random := rand.New(rand.NewPCG(cfg.Seed, 0))
			f := &Factors{Users: s.users, Items: s.items, Dims: 8, Alpha0: cfg.Alpha0, Regularization: cfg.Regularization}
			f.W, f.V = initial(random, f.Users, 8), initial(random, f.Items, 8)
			before := twinObjective(s.entries, f)
			epochs := 0
			err := descend(t.Context(), s.matrix(t), Content{}, cfg, f, func(epoch int) {
				epochs++
				after := twinObjective(s.entries, f)
				if epoch != epochs || !(after < before) {
					t.Errorf("epoch %d: objective went from %g to %g, want it to fall", epoch, before, after)
				}
				before = after
			})
			if err != nil || epochs != cfg.Epochs {
				t.Errorf("%d epochs reported, want %d; error %v", epochs, cfg.Epochs, err)
			}
		})
	}
}

// On a checkerboard of users and items every user lacks one item of their colour: it must come first.
func TestTrainFindsTheMissingSquare(t *testing.T) {
	t.Parallel()
	const users, items = 40, 30
	var entries []Entry
	missing := func(u int) int { return (u + 2*(u/2)) % items } // of the user's colour
	for u := range users {
		for i := range items {
			if (u+i)%2 == 0 && i != missing(u) {
				entries = append(entries, Entry{User: int32(u), Item: int32(i), Confidence: 1, Target: 1})
			}
		}
	}
	_, f := trained(t, shop{users: users, items: items, entries: entries}, testConfig(8, 10))
	for u := range users {
		scores := make([]float32, items)
		vecmath.DotRows(f.W[u*8:(u+1)*8], f.V, scores)
		best := -1
		for i, score := range scores {
			known := (u+i)%2 == 0 && i != missing(u)
			if !known && (best < 0 || score > scores[best]) {
				best = i
			}
		}
		if best != missing(u) {
			t.Errorf("user %d gets item %d first, want %d", u, best, missing(u))
		}
	}
}

func TestTrainSeparatesPlantedClusters(t *testing.T) {
	t.Parallel()
	s := newShop(120, 80, 4, true, 5)
	m, f := trained(t, s, testConfig(4, 12))
	right := 0
	for u := range s.users {
		scores := make([]float32, s.items)
		vecmath.DotRows(f.W[u*4:(u+1)*4], f.V, scores)
		seen, _, _ := m.byUser.row(u)
		top := vecmath.NewTopK(5)
		for i, score := range scores {
			if !slices.Contains(seen, int32(i)) {
				top.Push(uint32(i), score)
			}
		}
		for _, hit := range top.Sorted() {
			if int(hit.ID)%s.clusters == u%s.clusters {
				right++
			}
		}
	}
	// A quarter would be chance.
	if share := float64(right) / float64(5*s.users); share < .95 {
		t.Errorf("%.3f of the 5 best unseen items are of the user's cluster, want at least .95", share)
	}
}

func TestTrainIsTheSameForAnyNumberOfWorkersAndOrderOfEntries(t *testing.T) {
	t.Parallel()
	s := newShop(150, 90, 4, true, 6)
	cfg := testConfig(16, 3)
	cfg.Workers = 1
	_, want := trained(t, s, cfg)
	random := rand.New(rand.NewPCG(9, 9))
	random.Shuffle(len(s.entries), func(i, j int) { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] })
	for _, workers := range []int{0, 3, 8} {
		cfg.Workers = workers
		_, got := trained(t, s, cfg)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers, shuffled entries (-1 worker +got):\n%.500s", workers, diff)
		}
	}
	cfg.Seed++
	if _, got := trained(t, s, cfg); cmp.Equal(want.V, got.V) {
		t.Error("another seed gives the same factors")
	}
}

// Renaming rows renames factors and changes nothing else, up to the order of sums.
func TestTrainIsInvariantToNames(t *testing.T) {
	t.Parallel()
	const f = 8
	s := newShop(70, 50, 3, true, 7)
	cfg := testConfig(f, 6)
	random := rand.New(rand.NewPCG(3, 3))
	newUser, newItem := random.Perm(s.users), random.Perm(s.items)
	renamed := s
	renamed.entries = nil
	for _, e := range s.entries {
		e.User, e.Item = int32(newUser[e.User]), int32(newItem[e.Item])
		renamed.entries = append(renamed.entries, e)
	}
	renamed.content.Rows = permuted(s.content.Rows, newItem, s.content.Dims)
	start := &Factors{W: initial(random, s.users, f), V: initial(random, s.items, f), Users: s.users, Items: s.items, Dims: f}
	moved := &Factors{W: permuted(start.W, newUser, f), V: permuted(start.V, newItem, f), Users: s.users, Items: s.items, Dims: f}
	for _, run := range []struct {
		s shop
		f *Factors
	}{{s, start}, {renamed, moved}} {
		if err := descend(t.Context(), run.s.matrix(t), run.s.content, cfg, run.f, nil); err != nil {
			t.Fatal(err)
		}
	}
	near(t, "user factors", wide(permuted(start.W, newUser, f)), moved.W, 1e-3)
	near(t, "item factors", wide(permuted(start.V, newItem, f)), moved.V, 1e-3)
}

func permuted(x []float32, to []int, dims int) []float32 {
	out := make([]float32, len(x))
	for k, j := range to {
		copy(out[j*dims:(j+1)*dims], x[k*dims:(k+1)*dims])
	}
	return out
}

func TestTrainDegenerateData(t *testing.T) {
	t.Parallel()
	all := func(users, items int, e Entry) shop {
		s := shop{users: users, items: items}
		for e.User = 0; int(e.User) < users; e.User++ {
			for e.Item = 0; int(e.Item) < items; e.Item++ {
				s.entries = append(s.entries, e)
			}
		}
		return s
	}
	like, dislike := Entry{Confidence: 1, Target: 1}, Entry{Confidence: 1}
	cases := map[string]shop{
		"nothing":                 {},
		"users without items":     {users: 3},
		"items without users":     {items: 3},
		"no interactions":         {users: 5, items: 4},
		"one pair":                all(1, 1, like),
		"one user":                all(1, 40, like),
		"one item":                all(40, 1, like),
		"everybody has it all":    all(12, 9, like),
		"dislikes only":           all(6, 5, dislike),
		"greatest confidence":     all(6, 5, Entry{Confidence: MaxConfidence, Target: 1}),
		"smallest confidence":     all(6, 5, Entry{Confidence: 1e-45, Target: 1}),
		"smallest target":         all(6, 5, Entry{Confidence: 1, Target: 1e-45}),
		"fewer rows than factors": newShop(5, 4, 2, true, 8),
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, f := trained(t, s, testConfig(8, 5))
			if len(f.W) != s.users*8 || len(f.V) != s.items*8 || !vecmath.Finite(f.W) || !vecmath.Finite(f.V) {
				t.Errorf("factors of %d and %d numbers, finite %t and %t; want %d and %d, finite",
					len(f.W), len(f.V), vecmath.Finite(f.W), vecmath.Finite(f.V), s.users*8, s.items*8)
			}
		})
	}
}

func TestRowsWithoutPositivesGetZero(t *testing.T) {
	t.Parallel()
	s := newShop(30, 20, 2, false, 9)
	s.users, s.items = 32, 22 // rows 30, 31 and 20, 21 have no entry
	s.content.Rows = append(s.content.Rows, s.content.Rows[:2*s.content.Dims]...)
	s.entries = append(s.entries, Entry{User: 31, Item: 3, Confidence: 1, Target: 0})
	_, f := trained(t, s, testConfig(8, 5))
	for _, part := range [][]float32{f.W[30*8:], f.V[20*8:]} {
		if diff := cmp.Diff(make([]float32, 16), part); diff != "" {
			t.Errorf("factors of rows without positives (-want +got):\n%s", diff)
		}
	}
}

func TestTrainStopsWhenAskedTo(t *testing.T) {
	t.Parallel()
	s := newShop(30, 20, 2, false, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	epochs := 0
	_, err := Train(ctx, s.matrix(t), s.content, testConfig(8, 100), func(int) {
		epochs++
		cancel()
	})
	if !errors.Is(err, context.Canceled) || epochs != 1 {
		t.Errorf("error %v after %d epochs, want context.Canceled after 1", err, epochs)
	}
}
