package als

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestNewMatrixRefuses(t *testing.T) {
	t.Parallel()
	good := Entry{User: 1, Item: 2, Confidence: 1, Target: 1}
	with := func(change func(*Entry)) []Entry {
		e := good
		change(&e)
		return []Entry{{User: 0, Item: 0, Confidence: 1, Target: 1}, e}
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	cases := map[string]struct {
		users, items int
		entries      []Entry
		field        string
	}{
		"negative users":      {-1, 3, nil, "users"},
		"negative items":      {2, -1, nil, "items"},
		"user too high":       {2, 3, with(func(e *Entry) { e.User = 2 }), "user"},
		"user negative":       {2, 3, with(func(e *Entry) { e.User = -1 }), "user"},
		"item too high":       {2, 3, with(func(e *Entry) { e.Item = 3 }), "item"},
		"item negative":       {2, 3, with(func(e *Entry) { e.Item = math.MinInt32 }), "item"},
		"no confidence":       {2, 3, with(func(e *Entry) { e.Confidence = 0 }), "confidence"},
		"negative confidence": {2, 3, with(func(e *Entry) { e.Confidence = -1 }), "confidence"},
		"confidence NaN":      {2, 3, with(func(e *Entry) { e.Confidence = nan }), "confidence"},
		"confidence infinite": {2, 3, with(func(e *Entry) { e.Confidence = inf }), "confidence"},
		"confidence too high": {2, 3, with(func(e *Entry) { e.Confidence = 2 * MaxConfidence }), "confidence"},
		"target NaN":          {2, 3, with(func(e *Entry) { e.Target = nan }), "target"},
		"target negative":     {2, 3, with(func(e *Entry) { e.Target = -.1 }), "target"},
		"target above one":    {2, 3, with(func(e *Entry) { e.Target = 1.1 }), "target"},
		"pair twice":          {2, 3, []Entry{good, {User: 0, Item: 2, Confidence: 1}, good}, "entries"},
		"no such row":         {0, 0, []Entry{good}, "user"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewMatrix(c.users, c.items, c.entries)
			var field *recsys.FieldError
			if !errors.Is(err, recsys.ErrInvalid) || !errors.As(err, &field) || field.Field != c.field {
				t.Errorf("error is %v, want ErrInvalid about %s", err, c.field)
			}
		})
	}
}

func TestMatrixHoldsEveryEntryInBothOrders(t *testing.T) {
	t.Parallel()
	s := newShop(31, 23, 3, true, 1)
	m := s.matrix(t)
	if m.Users() != 31 || m.Items() != 23 || m.Len() != len(s.entries) {
		t.Fatalf("matrix is %d × %d with %d entries, want 31 × 23 with %d", m.Users(), m.Items(), m.Len(), len(s.entries))
	}
	var byUser, byItem []Entry
	for u := range m.Users() {
		columns, confidence, target := m.byUser.row(u)
		for k := range columns {
			byUser = append(byUser, Entry{int32(u), columns[k], confidence[k], target[k]})
		}
	}
	for i := range m.Items() {
		columns, confidence, target := m.byItem.row(i)
		for k := range columns {
			byItem = append(byItem, Entry{columns[k], int32(i), confidence[k], target[k]})
		}
	}
	want := slices.Clone(s.entries) // drawn user by user, items ascending
	if diff := cmp.Diff(want, byUser); diff != "" {
		t.Errorf("by user (-want +got):\n%s", diff)
	}
	slices.SortStableFunc(want, func(a, b Entry) int { return int(a.Item) - int(b.Item) })
	if diff := cmp.Diff(want, byItem); diff != "" {
		t.Errorf("by item (-want +got):\n%s", diff)
	}
}

func TestMatrixDoesNotDependOnTheOrderOfEntries(t *testing.T) {
	t.Parallel()
	s := newShop(20, 15, 3, true, 2)
	want := s.matrix(t)
	random := rand.New(rand.NewPCG(1, 1))
	random.Shuffle(len(s.entries), func(i, j int) { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] })
	if diff := cmp.Diff(want, s.matrix(t), cmp.AllowUnexported(Matrix{}, rows{})); diff != "" {
		t.Errorf("matrix of shuffled entries (-want +got):\n%s", diff)
	}
}

func TestMassIsTheSumOfPositiveConfidences(t *testing.T) {
	t.Parallel()
	m, err := NewMatrix(2, 2, []Entry{
		{User: 0, Item: 0, Confidence: .5, Target: 1},
		{User: 0, Item: 1, Confidence: 2, Target: .25},
		{User: 1, Item: 1, Confidence: 4, Target: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{2.5, 0}, m.byUser.mass); diff != "" {
		t.Errorf("mass of users (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{.5, 2}, m.byItem.mass); diff != "" {
		t.Errorf("mass of items (-want +got):\n%s", diff)
	}
}
