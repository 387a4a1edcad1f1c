package filter

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Limits of an expression.
const (
	maxBytes   = 4096       // of UTF-8
	maxNodes   = 4096       // of the syntax tree, macros expanded
	maxDepth   = 64         // of the syntax tree
	maxNesting = 2          // of exists, all, map, filter
	maxCost    = 10_000_000 // for the largest possible item, in the units of CEL, see checkCost
	maxRegex   = 500        // instructions of a pattern's program
)

// field is what every error is about.
const field = "filter"

// Compile checks an expression against a Schema and plans how to answer it.
//
// The language and its meaning are in the package comment. Cost is some 200 µs, so programs
// are to be kept: see Cache.
//
// Errors: a *recsys.FieldError on "filter" whose reason begins with line:column of the fault,
// both counted from 1, columns in characters.
func Compile(expression string, s *Schema) (*Program, error) {
	if err := checkText(expression); err != nil {
		return nil, err
	}
	env := s.environment()
	parsed, issues := env.Parse(expression)
	if issues.Err() != nil {
		return nil, issueFault(issues, nil)
	}
	r := newResolver(s, parsed.NativeRep())
	if err := r.run(); err != nil {
		return nil, err
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, issueFault(issues, r.rewritten)
	}
	tree := checked.NativeRep()
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) {
		return nil, fault(tree.SourceInfo().GetStartLocation(tree.Expr().ID()), "gives %s, want true or false", plain(t.String()))
	}
	if err := checkCost(tree); err != nil {
		return nil, err
	}
	root, err := (&planner{schema: s, env: env, tree: tree}).plan(tree.Expr(), false)
	if err != nil {
		return nil, err
	}
	return newProgram(expression, s, root), nil
}

// checkText refuses what the parser should not see. A request's string is valid UTF-8 already;
// an expression from a settings file may not be.
func checkText(expression string) error {
	if len(expression) > maxBytes {
		return recsys.Invalid(field, "1:1: has %d bytes, want at most %d", len(expression), maxBytes)
	}
	if strings.TrimSpace(expression) == "" {
		return recsys.Invalid(field, "1:1: is empty")
	}
	line, column := 1, 1
	for rest := expression; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return recsys.Invalid(field, "%d:%d: is not valid UTF-8", line, column)
		case r == 0:
			return recsys.Invalid(field, "%d:%d: holds a NUL", line, column)
		case r == '\n':
			line, column = line+1, 0
		}
		column++
		rest = rest[size:]
	}
	return nil
}

// fault is an error at a place in the expression.
func fault(at common.Location, format string, args ...any) *recsys.FieldError {
	line, column := max(1, at.Line()), max(0, at.Column())
	return recsys.Invalid(field, "%d:%d: %s", line, column+1, brief(fmt.Sprintf(format, args...)))
}

// issueFault turns the first of CEL's issues into an error. rewritten names, by syntax node,
// the label attributes whose comparisons were rewritten.
func issueFault(issues *cel.Issues, rewritten map[int64]string) error {
	first := issues.Errors()[0]
	if name, ok := rewritten[first.ExprID]; ok {
		return fault(first.Location, "attribute %s holds labels: compare it with a text, or with a list of texts by in", quoted(name))
	}
	return fault(first.Location, "%s", plain(first.Message))
}

var (
	wanted    = regexp.MustCompile(` expecting .*`)
	container = regexp.MustCompile(` \(in container '.*'\)`)
	operator  = regexp.MustCompile(`'_?([^\w\s'@(]+(?:_[^\w\s']+)?)_?'`) // '_==_', '_?_:_'
	dynamic   = regexp.MustCompile(`\bdyn\b`)
	tooDeep   = regexp.MustCompile(`.*recursion (?:limit|depth) exceeded.*`)

	words = strings.NewReplacer(
		"mismatched input '<EOF>'", "the expression ends too early",
		"Syntax error: ", "",
		"token recognition error at: ", "unexpected ",
		"no viable alternative at input ", "unexpected ",
		"extraneous input ", "unexpected ",
		"mismatched input ", "unexpected ",
		"found no matching overload for ", "no overload of ",
		"undeclared reference to ", "unknown name ",
		"list(string)", "labels",
		"google.protobuf.Timestamp", "timestamp",
		"google.protobuf.Duration", "duration",
		"'@in'", "'in'",
	)
)

// plain words a message of CEL's for people who do not know its insides.
func plain(message string) string {
	message = wanted.ReplaceAllString(message, "")
	message = container.ReplaceAllString(message, "")
	message = operator.ReplaceAllString(message, "'$1'")
	message = dynamic.ReplaceAllString(message, "any kind")
	message = tooDeep.ReplaceAllString(message, fmt.Sprintf("is nested more than %d deep", maxDepth))
	return words.Replace(message)
}

// brief keeps an error to what a response can carry.
func brief(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// quoted shows a name, shortened.
func quoted(name string) string {
	if len(name) > 48 {
		name = strings.ToValidUTF8(name[:48], "") + "…"
	}
	return fmt.Sprintf("%q", name)
}

// start is where a syntax node begins.
func start(info *ast.SourceInfo, e ast.Expr) common.Location { return info.GetStartLocation(e.ID()) }
