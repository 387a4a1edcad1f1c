package filter

import (
	"regexp/syntax"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// numbers makes the whole-number literals of a call doubles where they stand beside a number
// attribute or another double: CEL itself has no "price * 2", because 2 is an int there.
func (r *resolver) numbers(call ast.CallExpr) {
	args := call.Args()
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
		operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
	case operators.Conditional:
		args = args[1:]
	case operators.In:
		if r.isNumber(args[0]) {
			for _, e := range args[1].AsList().Elements() {
				r.toDouble(e)
			}
		}
		return
	default:
		return
	}
	if len(args) == 2 && r.isNumber(args[0]) {
		r.toDouble(args[1])
	}
	if len(args) == 2 && r.isNumber(args[1]) {
		r.toDouble(args[0])
	}
}

// isNumber reports whether e is a double if it is a number at all.
func (r *resolver) isNumber(e ast.Expr) bool {
	if a, ok := r.attributeOf(e); ok {
		return a.kinds.has(onlyNumber)
	}
	if _, ok := e.AsLiteral().(types.Double); ok {
		return true
	}
	args := e.AsCall().Args()
	switch e.AsCall().FunctionName() {
	case overloads.TypeConvertDouble:
		return true
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
		return r.isNumber(args[0]) || r.isNumber(args[1])
	case operators.Negate:
		return r.isNumber(args[0])
	case operators.Conditional:
		return r.isNumber(args[1]) || r.isNumber(args[2])
	}
	return false
}

// toDouble makes a whole-number literal a double, in place, also in the branches of ?:.
func (r *resolver) toDouble(e ast.Expr) {
	switch v := e.AsLiteral().(type) {
	case types.Int:
		e.SetKindCase(r.build.NewLiteral(e.ID(), types.Double(v)))
	case types.Uint:
		e.SetKindCase(r.build.NewLiteral(e.ID(), types.Double(v)))
	}
	if call := e.AsCall(); call.FunctionName() == operators.Conditional {
		r.toDouble(call.Args()[1])
		r.toDouble(call.Args()[2])
	}
}

// pattern checks the argument of matches: a literal, so that it is compiled once, and one whose
// program is small. RE2 takes time in proportion to text × program, and CEL's cost model sees
// the length of the pattern only, which says little: .{1000} is 1,000 instructions.
func (r *resolver) pattern(e ast.Expr, args []ast.Expr) *recsys.FieldError {
	if !e.AsCall().IsMemberFunction() || len(args) != 1 {
		return r.fault(e, `matches is written text.matches("pattern")`)
	}
	pattern, ok := args[0].AsLiteral().(types.String)
	if !ok {
		return r.fault(args[0], "the pattern of matches must be a literal")
	}
	parsed, err := syntax.Parse(string(pattern), syntax.Perl)
	if known, ok := err.(*syntax.Error); ok {
		return r.fault(args[0], "the pattern is not valid RE2: %s: %s", known.Code, quoted(known.Expr))
	}
	if size := programSize(parsed); size > maxRegex {
		return r.fault(args[0], "the pattern has %d steps, want at most %d: fewer or smaller repetitions", size, maxRegex)
	}
	return nil
}

// programSize is about how many instructions a pattern becomes, found without expanding it.
func programSize(re *syntax.Regexp) int {
	size := 1
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		size += programSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min+1, re.Max)
	}
	return min(size, 1<<20)
}
