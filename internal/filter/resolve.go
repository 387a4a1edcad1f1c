package filter

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// resolver goes over the parsed tree before it is type-checked. It finds unknown names, refuses
// what filters cannot have, and rewrites what this package means otherwise than CEL:
//
//	attributes["a name"]                     attributes.`a name`
//	labels == x, labels != x                 x in labels, !(x in labels)
//	labels in list                           labels.exists(v, v in list)
//	labels.startsWith(x), endsWith, …        labels.exists(v, v.startsWith(x))
//	number < 5                               number < 5.0
//
// where labels is an attribute seen with labels; if it was seen with other kinds too, it is
// replaced by @values(labels), to which a number or a text is a set of one.
type resolver struct {
	schema    *Schema
	tree      *ast.AST
	info      *ast.SourceInfo
	build     ast.ExprFactory
	lastID    int64
	scope     []string
	nesting   int
	rewritten map[int64]string
}

// ownVariable is that of comprehensions the resolver writes; it cannot be written by others.
const (
	ownVariable    = "@value"
	ownAccumulator = "@result"
)

func newResolver(s *Schema, tree *ast.AST) *resolver {
	return &resolver{schema: s, tree: tree, info: tree.SourceInfo(), build: ast.NewExprFactory(), lastID: ast.MaxID(tree),
		scope: slices.Clone(variables[1:]), rewritten: make(map[int64]string)}
}

func (r *resolver) run() error {
	if err := r.resolve(r.tree.Expr()); err != nil {
		return err
	}
	return nil
}

// fault is an error at a syntax node.
func (r *resolver) fault(at ast.Expr, format string, args ...any) *recsys.FieldError {
	return fault(start(r.info, at), format, args...)
}

func (r *resolver) resolve(e ast.Expr) *recsys.FieldError {
	if operand, name, ok := fieldOf(e); ok && operand.Kind() == ast.IdentKind && operand.AsIdent() == varAttributes {
		return r.attribute(e, operand, name)
	}
	switch e.Kind() {
	case ast.IdentKind:
		return r.ident(e)
	case ast.LiteralKind:
		if _, ok := e.AsLiteral().(types.Bytes); ok {
			return r.fault(e, "bytes have no use in a filter")
		}
	case ast.SelectKind:
		return r.resolve(e.AsSelect().Operand())
	case ast.CallKind:
		return r.call(e)
	case ast.ListKind:
		return r.all(e.AsList().Elements())
	case ast.ComprehensionKind:
		return r.comprehension(e)
	case ast.MapKind, ast.StructKind:
		return r.fault(e, "maps and messages cannot be built in a filter")
	}
	return nil
}

func (r *resolver) all(list []ast.Expr) *recsys.FieldError {
	for _, e := range list {
		if err := r.resolve(e); err != nil {
			return err
		}
	}
	return nil
}

// attribute checks that there is one of this name, and makes attributes["name"] a selection.
func (r *resolver) attribute(e, operand ast.Expr, name string) *recsys.FieldError {
	if _, _, ok := r.schema.lookup(name); !ok {
		hint := ""
		if near := r.schema.nearest(name); near != "" {
			hint = "; did you mean " + quoted(near) + "?"
		}
		return r.fault(operand, "unknown attribute %s%s", quoted(name), hint)
	}
	if e.Kind() == ast.CallKind {
		e.SetKindCase(r.build.NewSelect(e.ID(), operand, name))
	}
	return nil
}

func (r *resolver) ident(e ast.Expr) *recsys.FieldError {
	name := e.AsIdent()
	if slices.Contains(r.scope, name) {
		return nil
	}
	if name == varAttributes {
		return r.fault(e, `attributes wants the name of one, as in attributes.name or attributes["a name"]`)
	}
	return r.fault(e, "unknown name %s%s", quoted(name), r.hint(name))
}

// hint guesses what was meant by a name that is none.
func (r *resolver) hint(name string) string {
	if _, ok := r.schema.numbers[name]; ok {
		return "; did you mean attributes." + name + "?"
	}
	for _, known := range append(r.scope[:len(r.scope):len(r.scope)], varAttributes) {
		if d := distance(name, known, 3); d < 3 && 2*d <= len(known) {
			return "; did you mean " + known + "?"
		}
	}
	return ""
}

func (r *resolver) comprehension(e ast.Expr) *recsys.FieldError {
	c := e.AsComprehension()
	if slices.Contains(variables, c.IterVar()) {
		return r.fault(e, "%s is a name already, choose another for the variable", c.IterVar())
	}
	if err := r.resolve(c.IterRange()); err != nil {
		return err
	}
	if _, ok := r.labelled(c.IterRange()); ok {
		e.SetKindCase(r.build.NewComprehension(e.ID(), r.set(c.IterRange()), c.IterVar(), c.AccuVar(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()))
	}
	if r.nesting++; r.nesting > maxNesting {
		return r.fault(e, "exists, all, map and filter are nested more than %d deep", maxNesting)
	}
	r.scope = append(r.scope, c.IterVar(), c.AccuVar())
	err := r.all([]ast.Expr{c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()})
	r.scope = r.scope[:len(r.scope)-2]
	r.nesting--
	return err
}

func (r *resolver) call(e ast.Expr) *recsys.FieldError {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		if err := r.resolve(call.Target()); err != nil {
			return err
		}
	}
	if err := r.all(args); err != nil {
		return err
	}
	r.numbers(call)
	switch name := call.FunctionName(); name {
	case operators.Equals, operators.NotEquals:
		return r.equality(e, args[0], args[1], name == operators.NotEquals)
	case operators.In:
		r.membership(e, args[0], args[1])
	case overloads.Matches:
		if err := r.pattern(e, args); err != nil {
			return err
		}
		r.textTest(e)
	case overloads.StartsWith, overloads.EndsWith, overloads.Contains:
		r.textTest(e)
	}
	return nil
}
