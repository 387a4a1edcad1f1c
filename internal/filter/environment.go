package filter

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// The variables of an expression.
const (
	varAttributes = "attributes"
	varItemID     = "item_id"
	varTitle      = "title"
	varCreateTime = "create_time"
)

var variables = []string{varAttributes, varItemID, varTitle, varCreateTime}

// Functions that only the resolver writes: the values of a dynamic attribute, and [].
const (
	fnValues = "@values"
	fnNone   = "@none"
)

// attributesType is the type of the variable attributes. It has a field for every attribute, so
// that the checker knows what is there and of what type.
var attributesType = types.NewObjectType("vitrine.Attributes")

// functions is the part of CEL's standard library that a filter may use. What is left out
// cannot help a filter, or costs what the cost model does not see: time zones read files.
var functions = map[string][]string{
	operators.LogicalAnd: nil, operators.LogicalOr: nil, operators.LogicalNot: nil, operators.Conditional: nil,
	operators.Equals: nil, operators.NotEquals: nil, operators.In: nil, operators.NotStrictlyFalse: nil,
	operators.Less: nil, operators.LessEquals: nil, operators.Greater: nil, operators.GreaterEquals: nil,
	operators.Add: nil, operators.Subtract: nil, operators.Multiply: nil, operators.Divide: nil,
	operators.Modulo: nil, operators.Negate: nil, operators.Index: nil,
	overloads.Size: nil, overloads.Contains: nil, overloads.StartsWith: nil, overloads.EndsWith: nil,
	overloads.Matches:        {overloads.MatchesString},
	overloads.TypeConvertInt: nil, overloads.TypeConvertDouble: nil, overloads.TypeConvertString: nil,
	overloads.TypeConvertTimestamp: nil, overloads.TypeConvertDuration: nil,
	overloads.TimeGetFullYear:  {overloads.TimestampToYear},
	overloads.TimeGetMonth:     {overloads.TimestampToMonth},
	overloads.TimeGetDate:      {overloads.TimestampToDayOfMonthOneBased},
	overloads.TimeGetDayOfWeek: {overloads.TimestampToDayOfWeek},
	overloads.TimeGetDayOfYear: {overloads.TimestampToDayOfYear},
	overloads.TimeGetHours:     {overloads.TimestampToHours, overloads.DurationToHours},
}

// cel-go v0.32.0 has two error values that all evaluations share, and writes into them where
// each first occurred: a data race between programs. Once written they stay; this writes them.
var (
	_ = types.LabelErrNode(1, types.NoSuchOverloadErr())
	_ = types.LabelErrNode(1, types.String("9999-12-31T23:59:59-12:00").ConvertToType(types.TimestampType))
)

// newEnvironment returns the part of the environment that does not depend on a Schema.
func newEnvironment() *cel.Env {
	subset := &env.LibrarySubset{ExcludeMacros: []string{operators.Has}}
	for name, ids := range functions {
		f := &env.Function{Name: name}
		for _, id := range ids {
			f.Overloads = append(f.Overloads, &env.Overload{ID: id})
		}
		subset.IncludeFunctions = append(subset.IncludeFunctions, f)
	}
	e, err := cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(subset)),
		cel.Macros(cel.GlobalMacro(operators.Has, 1, expandHas)),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserExpressionSizeLimit(maxBytes),
		cel.ExpressionNodeLimit(maxNodes),
		cel.Variable(varAttributes, attributesType),
		cel.Variable(varItemID, cel.StringType),
		cel.Variable(varTitle, cel.StringType),
		cel.Variable(varCreateTime, cel.TimestampType),
		cel.Function(fnValues, cel.Overload("values_dyn", []*cel.Type{cel.DynType}, cel.ListType(cel.DynType),
			cel.UnaryBinding(valuesOf))),
		cel.Function(fnNone, cel.Overload("none", nil, cel.ListType(cel.DynType), cel.FunctionBinding(func(...ref.Val) ref.Val {
			return types.NewDynamicList(types.DefaultTypeAdapter, []any{})
		}))),
	)
	if err != nil {
		panic(fmt.Sprintf("filter: the CEL environment is wrong: %v", err))
	}
	return e
}

// expandHas is CEL's macro has, which takes attributes["a name"] as well as attributes.name.
func expandHas(f cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	operand, field, ok := fieldOf(args[0])
	if !ok {
		return nil, f.NewError(args[0].ID(), `has() takes an attribute, such as attributes.name or attributes["a name"]`)
	}
	return f.NewPresenceTest(operand, field), nil
}

// fieldOf takes x.name and x["name"] apart.
func fieldOf(e ast.Expr) (operand ast.Expr, field string, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		return e.AsSelect().Operand(), e.AsSelect().FieldName(), true
	case ast.CallKind:
		if call := e.AsCall(); call.FunctionName() == operators.Index && len(call.Args()) == 2 {
			name, ok := call.Args()[1].AsLiteral().(types.String)
			return call.Args()[0], string(name), ok
		}
	}
	return nil, "", false
}

// environment is the Schema's own, made when the first expression needs it: some 60 µs.
func (s *Schema) environment() *cel.Env {
	s.once.Do(func() {
		var err error
		if s.env, err = s.base.Extend(cel.CustomTypeProvider(provider{types.NewEmptyRegistry(), s})); err != nil {
			panic(fmt.Sprintf("filter: the CEL environment of a schema is wrong: %v", err))
		}
	})
	return s.env
}

// provider tells CEL the types of attributes and how to read them from a *record.
type provider struct {
	types.Provider
	schema *Schema
}

// FindStructType knows the type of the variable attributes.
func (p provider) FindStructType(name string) (*types.Type, bool) {
	if name == attributesType.TypeName() {
		return types.NewTypeTypeWithParam(attributesType), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldType knows the attributes.
func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	number, a, ok := p.schema.lookup(field)
	if name != attributesType.TypeName() || !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:  a.kinds.celType(),
		IsSet: func(target any) bool { return target.(*record).get(number) != nil },
		GetFrom: func(target any) (any, error) {
			if v := target.(*record).get(number); v != nil {
				return v, nil
			}
			return nil, errMissing
		},
	}, true
}

// celType is the type of an attribute that was seen with these kinds only.
func (k kinds) celType() *types.Type {
	switch k {
	case onlyLabels:
		return types.NewListType(types.StringType)
	case onlyNumber:
		return types.DoubleType
	case onlyText:
		return types.StringType
	}
	return types.DynType
}

// view gives CEL the variables of an item.
type view struct{ item *record }

var _ cel.Activation = (*view)(nil)

// ResolveName returns a variable.
func (v *view) ResolveName(name string) (any, bool) {
	switch name {
	case varAttributes:
		return v.item, true
	case varItemID:
		return types.String(v.item.itemID), true
	case varTitle:
		return types.String(v.item.title), true
	case varCreateTime:
		return types.Timestamp{Time: v.item.createTime}, true
	}
	return nil, false
}

// Parent is nil: there are no other variables.
func (v *view) Parent() cel.Activation { return nil }

// binding gives CEL one variable, that of a comprehension over labels.
type binding struct {
	name  string
	value ref.Val
}

var _ cel.Activation = (*binding)(nil)

// ResolveName returns the variable.
func (b *binding) ResolveName(name string) (any, bool) { return b.value, name == b.name }

// Parent is nil: there are no other variables.
func (b *binding) Parent() cel.Activation { return nil }
