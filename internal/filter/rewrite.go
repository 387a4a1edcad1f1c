package filter

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// id returns a new syntax node's number, at the place of an old one.
func (r *resolver) id(at ast.Expr) int64 {
	r.lastID++
	if place, ok := r.info.GetOffsetRange(at.ID()); ok {
		r.info.SetOffsetRange(r.lastID, place)
	}
	return r.lastID
}

// labelled reports whether e reads an attribute that may hold labels.
func (r *resolver) labelled(e ast.Expr) (attribute, bool) {
	a, ok := r.attributeOf(e)
	return a, ok && a.kinds.has(onlyLabels)
}

// attributeOf returns the attribute that e reads.
func (r *resolver) attributeOf(e ast.Expr) (attribute, bool) {
	_, a, ok := readAttribute(r.schema, e)
	return a, ok
}

// readAttribute returns the attribute that e, a resolved node, reads.
func readAttribute(s *Schema, e ast.Expr) (number int32, a attribute, ok bool) {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() || e.AsSelect().Operand().AsIdent() != varAttributes {
		return 0, attribute{}, false
	}
	return s.lookup(e.AsSelect().FieldName())
}

// set returns what stands for a labelled attribute as a list.
func (r *resolver) set(e ast.Expr) ast.Expr {
	if a, _ := r.labelled(e); a.kinds == onlyLabels {
		return e
	}
	return r.build.NewCall(r.id(e), fnValues, e)
}

// equality rewrites a comparison with an attribute that may hold labels.
func (r *resolver) equality(e, a, b ast.Expr, negated bool) *recsys.FieldError {
	labelled, ok := r.labelled(a)
	if other, both := r.labelled(b); ok && both {
		return r.fault(e, "two attributes with labels cannot be compared as a whole; use exists and in")
	} else if both {
		labelled, a, b = other, b, a
	} else if !ok {
		return nil
	}
	in := r.build.NewCall(r.id(e), operators.In, b, r.set(a))
	r.rewritten[in.ID()], r.rewritten[e.ID()] = labelled.name, labelled.name
	if negated {
		in = r.build.NewCall(e.ID(), operators.LogicalNot, in)
	}
	e.SetKindCase(in)
	return nil
}

// membership rewrites "labels in list" and, for a dynamic attribute, "x in labels".
//
// An empty list is hidden from cel-go, which makes "x in []" false without looking whether x
// is there; it is unknown then, as with any other list.
func (r *resolver) membership(e, element, list ast.Expr) {
	if list.Kind() == ast.ListKind && list.AsList().Size() == 0 {
		list.SetKindCase(r.build.NewCall(list.ID(), fnNone))
	}
	if a, ok := r.labelled(element); ok {
		value := r.build.NewIdent(r.id(e), ownVariable)
		test := r.build.NewCall(r.id(e), operators.In, value, list)
		r.rewritten[test.ID()] = a.name
		r.exists(e, element, test)
		return
	}
	if _, ok := r.labelled(list); ok {
		e.SetKindCase(r.build.NewCall(e.ID(), operators.In, element, r.set(list)))
	}
}

// textTest rewrites labels.startsWith(x) and its like.
func (r *resolver) textTest(e ast.Expr) {
	call := e.AsCall()
	if !call.IsMemberFunction() {
		return
	}
	if _, ok := r.labelled(call.Target()); ok {
		value := r.build.NewIdent(r.id(e), ownVariable)
		r.exists(e, call.Target(), r.build.NewMemberCall(r.id(e), call.FunctionName(), value, call.Args()...))
	}
}

// exists makes e, in place, the question whether a test is true of one of a set's values: the
// tree of CEL's macro exists.
func (r *resolver) exists(e, set, test ast.Expr) {
	accumulator := func() ast.Expr { return r.build.NewIdent(r.id(e), ownAccumulator) }
	e.SetKindCase(r.build.NewComprehension(e.ID(), r.set(set), ownVariable, ownAccumulator,
		r.build.NewLiteral(r.id(e), types.False),
		r.build.NewCall(r.id(e), operators.NotStrictlyFalse, r.build.NewCall(r.id(e), operators.LogicalNot, accumulator())),
		r.build.NewCall(r.id(e), operators.LogicalOr, accumulator(), test),
		accumulator()))
}
