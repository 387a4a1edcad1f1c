package filter

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// FuzzExpression compiles and runs anything: nothing panics, every refusal is a fault of the
// field with a place, and an answer after a change is that of a fresh program.
func FuzzExpression(f *testing.F) {
	v := gallerist()
	next := v.apply(Change{0, nil}, Change{2, v.items[1]}, Change{7, v.items[4]})
	for _, seed := range []string{
		`attributes.artist == "Monet" && attributes.price < 500.0`, `attributes.keywords.exists(k, k.startsWith("s"))`,
		`attributes["wall colour"] in ["white"] || !has(attributes.note)`, `attributes.year.contains("18") ? title < "T" : true`,
		`create_time > timestamp("2022-01-01T00:00:00Z") - duration("1h")`, `title.matches("^[A-Z]+$")`, `1 / (size(title) - 12) > 0`,
		`attributes.artist.all(a, a in ["x", "y"])`, `-attributes.price + 3 * 2 >= -5.0e3`, "\x00\xff", `attributes.`, `((((`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		p, err := Compile(expression, v.Schema())
		if err != nil {
			var fault *recsys.FieldError
			if !errors.As(err, &fault) || fault.Field != field || !strings.Contains(fault.Reason, ":") || len(fault.Reason) > 256 {
				t.Fatalf("%q: %v", expression, err)
			}
			return
		}
		if _, err := p.Bitmap(context.Background(), v.Index); err != nil {
			t.Fatalf("%q: %v", expression, err)
		}
		if err := checkAnswer(p, next.Index); err != nil {
			t.Fatalf("%q: %v", expression, err)
		}
	})
}
