package filter

import (
	"cmp"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// planner turns a checked tree into nodes. Negations are pushed down to the leaves (De Morgan
// holds in CEL's three-valued logic), so that a node only ever has to find the items for which
// it is true, and "false" and "unknown" need no sets of their own.
type planner struct {
	schema *Schema
	env    *cel.Env
	tree   *ast.AST
}

// plan returns a node that is true where e is true, or where e is false if negated.
//
// Errors: a *recsys.FieldError where a constant part cannot be computed.
func (p *planner) plan(e ast.Expr, negated bool) (node, error) {
	n := p.node(e, negated)
	return n, p.build(n)
}

func (p *planner) node(e ast.Expr, negated bool) node {
	args := e.AsCall().Args()
	switch e.AsCall().FunctionName() {
	case operators.LogicalNot:
		return p.node(args[0], !negated)
	case operators.LogicalAnd, operators.LogicalOr:
		and := e.AsCall().FunctionName() == operators.LogicalAnd
		return p.join(e, negated, and != negated, p.node(args[0], negated), p.node(args[1], negated))
	case operators.Conditional:
		return p.conditional(e, negated)
	}
	if value, ok := e.AsLiteral().(types.Bool); ok {
		return constant(bool(value) != negated)
	}
	if n := p.indexed(e, negated); n != nil {
		return n
	}
	return &residual{expr: e, negated: negated}
}

// conditional plans c ? a : b as c && a || !c && b, which asks c twice and is worth it only
// if the Index answers all of it.
func (p *planner) conditional(e ast.Expr, negated bool) node {
	args := e.AsCall().Args()
	then := p.join(e, negated, true, p.node(args[0], false), p.node(args[1], negated))
	otherwise := p.join(e, negated, true, p.node(args[0], true), p.node(args[2], negated))
	if max(then.rank(), otherwise.rank()) >= rankVocabulary {
		return &residual{expr: e, negated: negated}
	}
	return p.join(e, negated, false, then, otherwise)
}

// join makes one node of two. What only CEL can answer stays one expression, so that it is
// one pass over the items.
func (p *planner) join(e ast.Expr, negated, and bool, a, b node) node {
	if a.rank() == rankResidual && b.rank() == rankResidual {
		return &residual{expr: e, negated: negated}
	}
	j := &junction{and: and}
	for _, n := range []node{a, b} {
		if inner, ok := n.(*junction); ok && inner.and == and {
			j.nodes = append(j.nodes, inner.nodes...)
		} else {
			j.nodes = append(j.nodes, n)
		}
	}
	slices.SortStableFunc(j.nodes, func(a, b node) int { return cmp.Compare(a.rank(), b.rank()) })
	return j
}

// indexed returns a leaf that is answered from what the Index keeps; nil if e is none.
func (p *planner) indexed(e ast.Expr, negated bool) node {
	switch e.Kind() {
	case ast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			number, _, _ := p.schema.lookup(e.AsSelect().FieldName())
			return &presence{attribute: number, negated: negated}
		}
	case ast.ComprehensionKind:
		return p.quantified(e, negated)
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() == operators.In {
			return p.membership(call.Args()[0], call.Args()[1], negated)
		}
		return p.comparison(call, negated)
	}
	return nil
}

// only returns the attribute that e reads if it is of one kind.
func (p *planner) only(e ast.Expr, k kinds) (number int32, ok bool) {
	number, a, ok := readAttribute(p.schema, e)
	return number, ok && a.kinds == k
}

// membership plans "text in labels" and "number in list".
func (p *planner) membership(element, list ast.Expr, negated bool) node {
	if attribute, ok := p.only(list, onlyLabels); ok {
		if text, ok := p.constant(element).(types.String); ok {
			return &hasLabel{attribute: attribute, values: []string{string(text)}, negated: negated}
		}
	}
	if attribute, ok := p.only(element, onlyNumber); ok {
		if values, ok := p.numbers(list); ok {
			return &numeric{attribute: attribute, intervals: values, negated: negated}
		}
	}
	return nil
}

// quantified plans exists and all over the labels of an attribute.
func (p *planner) quantified(e ast.Expr, negated bool) node {
	attribute, ok := p.only(e.AsComprehension().IterRange(), onlyLabels)
	if !ok {
		return nil
	}
	all, test, ok := quantifier(e.AsComprehension())
	if !ok {
		return nil
	}
	variable := e.AsComprehension().IterVar()
	if values, ok := p.oneOf(variable, test); ok && !all {
		return &hasLabel{attribute: attribute, values: values, negated: negated}
	}
	if readsItem(test) {
		return nil
	}
	return &eachLabel{attribute: attribute, variable: variable, expr: test, all: all, negated: negated,
		items: &residual{expr: e, negated: negated}}
}

// quantifier takes the tree of the macros exists and all apart.
func quantifier(c ast.ComprehensionExpr) (all bool, test ast.Expr, ok bool) {
	begin, isBool := c.AccuInit().AsLiteral().(types.Bool)
	step := c.LoopStep().AsCall()
	if !isBool || len(step.Args()) != 2 || step.Args()[0].AsIdent() != c.AccuVar() || c.Result().AsIdent() != c.AccuVar() {
		return false, nil, false
	}
	all = bool(begin)
	if all {
		return all, step.Args()[1], step.FunctionName() == operators.LogicalAnd
	}
	return all, step.Args()[1], step.FunctionName() == operators.LogicalOr
}

// oneOf recognises the tests variable == text and variable in list.
func (p *planner) oneOf(variable string, test ast.Expr) (values []string, ok bool) {
	call := test.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.Equals:
		if args[1].AsIdent() == variable {
			args = []ast.Expr{args[1], args[0]}
		}
		text, ok := p.constant(args[1]).(types.String)
		return []string{string(text)}, ok && args[0].AsIdent() == variable
	case operators.In:
		list, ok := p.elements(args[1])
		for _, v := range list {
			if text, ok := v.(types.String); ok {
				values = append(values, string(text))
			}
		}
		return values, ok && args[0].AsIdent() == variable
	}
	return nil, false
}

// readsItem reports whether e depends on more than the variables of comprehensions.
func readsItem(e ast.Expr) bool {
	reads := false
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		reads = reads || slices.Contains(variables, e.AsIdent())
	}))
	return reads
}

// constant returns the value of an expression without variables; nil if it has some, or fails.
func (p *planner) constant(e ast.Expr) ref.Val {
	if v := e.AsLiteral(); v != nil {
		return v
	}
	variables := false
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) { variables = variables || e.Kind() == ast.IdentKind }))
	if variables {
		return nil
	}
	program, err := p.program(e)
	if err != nil {
		return nil
	}
	v, _, err := program.Eval(cel.NoVars())
	if err != nil {
		return nil
	}
	return v
}

// program compiles a part of the tree.
func (p *planner) program(e ast.Expr) (cel.Program, error) {
	part := ast.NewCheckedAST(ast.NewAST(e, p.tree.SourceInfo()), p.tree.TypeMap(), p.tree.ReferenceMap())
	return p.env.PlanProgram(part, cel.EvalOptions(cel.OptOptimize))
}

// build compiles what the leaves of a finished plan leave to CEL.
func (p *planner) build(n node) error {
	switch n := n.(type) {
	case *junction:
		for _, inner := range n.nodes {
			if err := p.build(inner); err != nil {
				return err
			}
		}
	case *residual:
		return p.compile(n.expr, &n.program)
	case *eachLabel:
		if err := p.compile(n.expr, &n.test); err != nil {
			return err
		}
		return p.build(n.items)
	}
	return nil
}

// compile makes a program of a part of the tree. CEL computes constants while it plans: that is
// where it finds that timestamp("yesterday") is none.
func (p *planner) compile(e ast.Expr, program *cel.Program) (err error) {
	if *program, err = p.program(e); err == nil {
		return nil
	}
	at := start(p.tree.SourceInfo(), e)
	if known, ok := err.(*types.Err); ok {
		at = p.tree.SourceInfo().GetStartLocation(known.NodeID())
	}
	return fault(at, "%s", plain(err.Error()))
}
