package filter

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/RoaringBitmap/roaring/v2"
)

// pause is after how many evaluations the context is looked at.
const pause = 16

// residual is what only CEL can answer, item by item.
type residual struct {
	expr    ast.Expr
	negated bool
	program cel.Program
}

func (*residual) rank() rank { return rankResidual }

func (n *residual) match(q *query, within *Bitmap) (*Bitmap, error) {
	if within == nil {
		within = q.all()
	}
	var found []uint32
	item, want := new(view), types.Bool(!n.negated)
	asked := 0
	for it := within.Iterator(); it.HasNext(); asked++ {
		if asked%pause == 0 && q.ctx.Err() != nil {
			return nil, q.ctx.Err()
		}
		number := it.Next()
		if item.item = q.ix.record(number); item.item == nil {
			continue
		}
		v, err := evaluate(n.program, item)
		if err != nil {
			return nil, err
		}
		if v == want {
			found = append(found, number)
		}
	}
	return roaring.BitmapOf(found...), nil
}

// evaluate runs a program. A fault of the data, such as a missing attribute or a division by
// zero, gives the value nil, which is neither true nor false; an error is a fault of the code.
func evaluate(program cel.Program, variables cel.Activation) (ref.Val, error) {
	v, _, err := program.Eval(variables)
	switch {
	case err == nil:
		return v, nil
	case types.IsError(v):
		return nil, nil
	}
	return nil, fmt.Errorf("evaluate the filter: %w", err)
}

// eachLabel is exists or all over an attribute's labels, with a test that depends on the label
// only: asked once per different label instead of once per item and label.
type eachLabel struct {
	attribute int32
	variable  string
	expr      ast.Expr
	test      cel.Program
	all       bool
	negated   bool
	items     *residual // the same question, item by item
}

func (*eachLabel) rank() rank { return rankVocabulary }

func (n *eachLabel) match(q *query, within *Bitmap) (*Bitmap, error) {
	vocabulary := q.ix.vocabulary(n.attribute)
	if within != nil && within.GetCardinality() < uint64(vocabulary.size/4) {
		return n.items.match(q, within)
	}
	// exists is true where a label passes and false where all fail; all is false where one
	// fails and true where all pass. So either one decisive label is looked for, or, in the
	// other two cases, the absence of labels that decide otherwise or are unknown.
	decisive := types.Bool(!n.all)
	absence := n.all != n.negated
	variable := &binding{name: n.variable}
	var parts []*Bitmap
	var err error
	asked := 0
	vocabulary.each(func(e *entry) bool {
		if asked++; asked%pause == 0 && q.ctx.Err() != nil {
			err = q.ctx.Err()
			return false
		}
		variable.value = e.label.value
		var v ref.Val
		if v, err = evaluate(n.test, variable); err != nil {
			return false
		}
		if absence && v != !decisive || !absence && v == decisive {
			parts = append(parts, e.items.parts()...)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return q.labelled(n.attribute, parts, within, absence), nil
}
