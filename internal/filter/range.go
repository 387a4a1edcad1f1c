package filter

import (
	"cmp"
	"math"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// interval is low … high, bounds included.
type interval[T float64 | int64] struct{ low, high T }

// mirrored is what an operator becomes when its sides are exchanged.
var mirrored = map[string]string{
	operators.Less: operators.Greater, operators.LessEquals: operators.GreaterEquals,
	operators.Greater: operators.Less, operators.GreaterEquals: operators.LessEquals,
	operators.Equals: operators.Equals, operators.NotEquals: operators.NotEquals,
}

// comparison plans a number attribute or create_time beside a constant.
func (p *planner) comparison(call ast.CallExpr, negated bool) node {
	operator, args := call.FunctionName(), call.Args()
	if mirrored[operator] == "" {
		return nil
	}
	value := p.constant(args[1])
	variable := args[0]
	if value == nil {
		value, variable, operator = p.constant(args[0]), args[1], mirrored[operator]
	}
	if value == nil {
		return nil
	}
	negated = negated != (operator == operators.NotEquals)
	if attribute, ok := p.only(variable, onlyNumber); ok {
		if bound, ok := asDouble(value); ok {
			return &numeric{attribute: attribute, intervals: []interval[float64]{doubles(operator, bound)}, negated: negated}
		}
	}
	if bound, ok := asNano(value); ok && variable.AsIdent() == varCreateTime {
		return &created{interval: nanos(operator, bound), negated: negated}
	}
	return nil
}

// doubles is the interval of the values v with v operator bound; for != that of ==.
func doubles(operator string, bound float64) interval[float64] {
	switch operator {
	case operators.Less:
		return interval[float64]{math.Inf(-1), math.Nextafter(bound, math.Inf(-1))}
	case operators.LessEquals:
		return interval[float64]{math.Inf(-1), bound}
	case operators.Greater:
		return interval[float64]{math.Nextafter(bound, math.Inf(1)), math.Inf(1)}
	case operators.GreaterEquals:
		return interval[float64]{bound, math.Inf(1)}
	}
	return interval[float64]{bound, bound}
}

// nanos is the same for times; bound is not the least or greatest int64.
func nanos(operator string, bound int64) interval[int64] {
	switch operator {
	case operators.Less:
		return interval[int64]{math.MinInt64, bound - 1}
	case operators.LessEquals:
		return interval[int64]{math.MinInt64, bound}
	case operators.Greater:
		return interval[int64]{bound + 1, math.MaxInt64}
	case operators.GreaterEquals:
		return interval[int64]{bound, math.MaxInt64}
	}
	return interval[int64]{bound, bound}
}

// asDouble returns a number that compares with doubles just as v does: no NaN, which equals
// nothing, and no integer that a double cannot hold.
func asDouble(v ref.Val) (float64, bool) {
	const exact = 1 << 53
	switch v := v.(type) {
	case types.Double:
		return float64(v), !math.IsNaN(float64(v))
	case types.Int:
		return float64(v), -exact <= v && v <= exact
	case types.Uint:
		return float64(v), v <= exact
	}
	return 0, false
}

// asNano returns a time that recsys.UnixNano keeps as it is.
func asNano(v ref.Val) (int64, bool) {
	t, ok := v.(types.Timestamp)
	if !ok {
		return 0, false
	}
	nano := recsys.UnixNano(t.Time)
	return nano, nano != math.MinInt64 && nano != math.MaxInt64
}

// numbers returns the numbers of a constant list, ascending; ok is false if a double cannot
// stand for one of them. What is no number equals none and is left out.
func (p *planner) numbers(list ast.Expr) (values []interval[float64], ok bool) {
	elements, ok := p.elements(list)
	for _, v := range elements {
		switch v.(type) {
		case types.Double, types.Int, types.Uint:
			value, exact := asDouble(v)
			if !exact {
				return nil, false
			}
			values = append(values, interval[float64]{value, value})
		}
	}
	slices.SortFunc(values, func(a, b interval[float64]) int { return cmp.Compare(a.low, b.low) })
	return values, ok
}

// elements returns the values of a constant list.
func (p *planner) elements(list ast.Expr) (values []ref.Val, ok bool) {
	constant, ok := p.constant(list).(traits.Lister)
	if !ok {
		return nil, false
	}
	for it := constant.Iterator(); it.HasNext() == types.True; {
		values = append(values, it.Next())
	}
	return values, true
}
