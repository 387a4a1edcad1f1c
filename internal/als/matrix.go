package als

import (
	"fmt"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Entry is one observed pair: how sure we are of it (a) and what it says (p).
type Entry struct {
	User, Item int32
	Confidence float32 // a, above 0, at most MaxConfidence
	Target     float32 // p in [0, 1]: 1 liked, 0 disliked. Above 0 counts as a positive.
}

// Matrix holds observed pairs by user and by item. It is immutable and safe for concurrent use.
type Matrix struct {
	byUser, byItem rows
}

// rows is a compressed sparse row matrix. Columns ascend within a row.
type rows struct {
	start      []int // len = rows+1
	column     []int32
	confidence []float32
	target     []float32
	mass       []float64 // n of a row: Σ a over entries with p > 0
}

// NewMatrix sorts entries into a users × items matrix. The entries are not kept, and
// their order has no influence. Either size may be 0; rows without entries are fine.
//
// Errors: recsys.ErrInvalid, naming the entry, if an index is out of range, a
// confidence is not in (0, MaxConfidence], a target is not in [0, 1], or a pair occurs twice.
func NewMatrix(users, items int, entries []Entry) (*Matrix, error) {
	if users < 0 || users > math.MaxInt32 {
		return nil, recsys.Invalid("users", "is %d, want 0 to %d", users, math.MaxInt32)
	}
	if items < 0 || items > math.MaxInt32 {
		return nil, recsys.Invalid("items", "is %d, want 0 to %d", items, math.MaxInt32)
	}
	for k, e := range entries {
		if err := e.check(users, items); err != nil {
			return nil, fmt.Errorf("entry %d: %w", k, err)
		}
	}
	byUser := gather(items, entries).transpose(users)
	if err := byUser.checkDistinct(); err != nil {
		return nil, err
	}
	m := &Matrix{byUser: byUser, byItem: byUser.transpose(items)}
	m.byUser.sumMass()
	m.byItem.sumMass()
	return m, nil
}

// Users returns the number of user rows.
func (m *Matrix) Users() int { return m.byUser.len() }

// Items returns the number of item rows.
func (m *Matrix) Items() int { return m.byItem.len() }

// Len returns the number of entries.
func (m *Matrix) Len() int { return len(m.byUser.column) }

func (e Entry) check(users, items int) error {
	switch {
	case e.User < 0 || int(e.User) >= users:
		return recsys.Invalid("user", "is %d, want 0 to %d", e.User, users-1)
	case e.Item < 0 || int(e.Item) >= items:
		return recsys.Invalid("item", "is %d, want 0 to %d", e.Item, items-1)
	case !validConfidence(e.Confidence):
		return recsys.Invalid("confidence", "is %g, want above 0, at most %g", e.Confidence, float64(MaxConfidence))
	case !validTarget(e.Target):
		return recsys.Invalid("target", "is %g, want 0 to 1", e.Target)
	}
	return nil
}

// Written so that NaN is refused.
func validConfidence(a float32) bool { return a > 0 && a <= MaxConfidence }
func validTarget(p float32) bool     { return p >= 0 && p <= 1 }

func newRows(n, entries int) rows {
	return rows{start: make([]int, n+1), column: make([]int32, entries),
		confidence: make([]float32, entries), target: make([]float32, entries)}
}

// gather buckets entries by item; the order of users within an item is that of entries.
func gather(items int, entries []Entry) rows {
	r := newRows(items, len(entries))
	for _, e := range entries {
		r.start[e.Item+1]++
	}
	next := r.cumulate()
	for _, e := range entries {
		at := next[e.Item]
		next[e.Item]++
		r.column[at], r.confidence[at], r.target[at] = e.User, e.Confidence, e.Target
	}
	return r
}

// transpose turns columns into rows. As it walks r in row order, columns ascend in the result.
func (r rows) transpose(columns int) rows {
	t := newRows(columns, len(r.column))
	for _, c := range r.column {
		t.start[c+1]++
	}
	next := t.cumulate()
	for row := range r.len() {
		for k := r.start[row]; k < r.start[row+1]; k++ {
			at := next[r.column[k]]
			next[r.column[k]]++
			t.column[at], t.confidence[at], t.target[at] = int32(row), r.confidence[k], r.target[k]
		}
	}
	return t
}

// cumulate turns counts in start[1:] into offsets and returns where each row's next entry goes.
func (r rows) cumulate() []int {
	for k := 1; k < len(r.start); k++ {
		r.start[k] += r.start[k-1]
	}
	return append([]int(nil), r.start[:len(r.start)-1]...)
}

func (r rows) len() int { return len(r.start) - 1 }

func (r rows) row(k int) (columns []int32, confidence, target []float32) {
	low, high := r.start[k], r.start[k+1]
	return r.column[low:high], r.confidence[low:high], r.target[low:high]
}

// problem is the row as a rowSolver takes it, without λ and prior.
func (r rows) problem(k int) row {
	columns, confidence, target := r.row(k)
	return row{columns: columns, confidence: confidence, target: target}
}

func (r rows) checkDistinct() error {
	for user := range r.len() {
		items, _, _ := r.row(user)
		for k := 1; k < len(items); k++ {
			if items[k] == items[k-1] {
				return recsys.Invalid("entries", "hold user %d, item %d twice, want each pair once", user, items[k])
			}
		}
	}
	return nil
}

func (r *rows) sumMass() {
	r.mass = make([]float64, r.len())
	for k := range r.mass {
		_, confidence, target := r.row(k)
		for j, a := range confidence {
			if target[j] > 0 {
				r.mass[k] += float64(a)
			}
		}
	}
}
