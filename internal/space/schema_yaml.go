package space

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// schemaVersion is the only version of the schema file there is.
const schemaVersion = 1

type schemaFile struct {
	Version    int             `yaml:"version"`
	Image      blockFile       `yaml:"image"`
	Text       *blockFile      `yaml:"text,omitempty"`
	Attributes []attributeFile `yaml:"attributes"`
}

// blockFile is the rule of the picture, or of the text.
type blockFile struct {
	Use    Use    `yaml:"use"`
	Weight weight `yaml:"weight,omitempty"`
	Reason string `yaml:"reason,omitempty"`
}

type attributeFile struct {
	Name     string   `yaml:"name"`
	Kind     string   `yaml:"kind"`
	Use      Use      `yaml:"use"`
	Encoding Encoding `yaml:"encoding,omitempty"`
	Weight   weight   `yaml:"weight,omitempty"`
	Reason   string   `yaml:"reason,omitempty"`
}

// weight is written without an exponent: the YAML library reads 1e-05 back as a string.
type weight float64

func (w weight) MarshalYAML() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(w), 'f', -1, 64), nil
}

var schemaComment = []string{
	" How an item becomes a vector: one block for the picture, one for title and description where a",
	" text encoder runs, and one for every embedded attribute.",
	" Attributes that are not named here are stored with the item and take no part.",
	"",
	" use       embed (a block of the vector) or store (kept with the item only)",
	" kind      labels, number or text",
	" encoding  labels: onehot (a place per value) or hash (for very many values)",
	"           number: robust (distance from the median) or log (the same of the logarithm)",
	"           left out: chosen from the data",
	" weight    relative; a block counts its weight over the sum of those an item has.",
	"           left out: .25 for the text, .1 for labels, .25 for hashed ones, .05 for a number, the",
	"           rest for the picture",
	" reason    why it is so, for the reader; it has no effect",
}

// YAML writes the schema for people to read and edit; ParseSchema reads it back.
// Errors: those of Validate.
func (s Schema) YAML() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	file := schemaFile{Version: schemaVersion, Attributes: make([]attributeFile, len(s.Attributes)),
		Image: blockFile{Use: s.Image.Use, Weight: weight(s.Image.Weight), Reason: s.Image.Reason}}
	if file.Image.Use == "" {
		file.Image.Use = UseEmbed
	}
	if s.Text != (TextRule{}) {
		file.Text = &blockFile{Use: cmp.Or(s.Text.Use, UseEmbed), Weight: weight(s.Text.Weight), Reason: s.Text.Reason}
	}
	for i, r := range s.Attributes {
		file.Attributes[i] = attributeFile{Name: r.Name, Kind: r.Kind.String(), Use: UseStore,
			Encoding: r.Encoding, Weight: weight(r.Weight), Reason: r.Reason}
		if r.Embedded() {
			file.Attributes[i].Use = UseEmbed
		}
	}
	comments := yaml.CommentMap{"$.version": {yaml.HeadComment(schemaComment...)}}
	out, err := yaml.MarshalWithOptions(file, yaml.WithComment(comments), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return out, nil
}

// ParseSchema reads a schema file and reports all its faults at once, each a *recsys.FieldError
// with the path of the value; a file that is not YAML has the one fault "schema".
func ParseSchema(data []byte) (Schema, error) {
	if err := plainYAML(data); err != nil {
		return Schema{}, err
	}
	var document any
	if err := yaml.Unmarshal(data, &document); err != nil {
		return Schema{}, recsys.Invalid("schema", "%s", oneLine(yaml.FormatError(err, false, false)))
	}
	var f faults
	s := schemaReader{fault: f.add}.schema(document)
	s.check(f.add)
	if err := f.err(); err != nil {
		return Schema{}, err
	}
	return s, nil
}

// plainYAML refuses, from the tokens alone, what a schema never needs and what makes a parser
// slow or its result large: aliases, deep nesting, and more than one document.
func plainYAML(data []byte) error {
	const maxBytes, maxDepth = 1 << 20, 8
	if len(data) > maxBytes {
		return recsys.Invalid("schema", "has %d bytes, want at most %d", len(data), maxBytes)
	}
	if !utf8.Valid(data) {
		return recsys.Invalid("schema", "is not valid UTF-8")
	}
	depth, dashes, line := 0, 0, 0
	for i, t := range lexer.Tokenize(string(data)) {
		if t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType:
			return recsys.Invalid("schema", "line %d: anchors, aliases and tags are not supported", line)
		case token.DocumentHeaderType, token.DocumentEndType:
			if i > 0 {
				return recsys.Invalid("schema", "line %d: want one document", line)
			}
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			dashes++
		}
		if depth+dashes > maxDepth {
			return recsys.Invalid("schema", "line %d: nested too deeply", line)
		}
	}
	return nil
}

func oneLine(s string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return first
}

// schemaReader walks a decoded document, so that one wrong value does not hide the others.
type schemaReader struct{ fault faultFunc }

func (r schemaReader) schema(document any) Schema {
	var s Schema
	top := r.mapping("", document, "version", "image", "text", "attributes")
	if v := r.number("version", top["version"], schemaVersion); v != schemaVersion {
		r.fault("version", "is %v, want %d", v, schemaVersion)
	}
	image := r.mapping("image", top["image"], "use", "weight", "reason")
	s.Image = ImageRule{Use: Use(r.text("image.use", image["use"])), Weight: r.weight("image.weight", image),
		Reason: r.text("image.reason", image["reason"])}
	text := r.mapping("text", top["text"], "use", "weight", "reason")
	s.Text = TextRule{Use: Use(r.text("text.use", text["use"])), Weight: r.weight("text.weight", text),
		Reason: r.text("text.reason", text["reason"])}
	list, ok := top["attributes"].([]any)
	if !ok && top["attributes"] != nil {
		r.fault("attributes", "want a list")
	}
	for i, entry := range list {
		s.Attributes = append(s.Attributes, r.attribute(attributePath(i), entry))
	}
	return s
}

func (r schemaReader) attribute(path string, v any) AttributeRule {
	m := r.mapping(path, v, "name", "kind", "use", "encoding", "weight", "reason")
	out := AttributeRule{Name: r.text(path+".name", m["name"]), Use: Use(r.text(path+".use", m["use"])),
		Encoding: Encoding(r.text(path+".encoding", m["encoding"])), Weight: r.weight(path+".weight", m),
		Reason: r.text(path+".reason", m["reason"])}
	kind := r.text(path+".kind", m["kind"])
	for k := range encodingsOf {
		if k.String() == kind {
			out.Kind = k
		}
	}
	return out
}

// mapping returns the keys of a mapping, none if v is something else or missing.
func (r schemaReader) mapping(path string, v any, known ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		where := path
		if path == "" {
			where = "schema"
		}
		r.fault(where, "want %s", strings.Join(known, ", "))
	}
	prefix := path
	if path != "" {
		prefix += "."
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(known, key) {
			r.fault(prefix+key, "is not known, want one of %s", strings.Join(known, ", "))
		}
	}
	return m
}

func (r schemaReader) text(path string, v any) string {
	s, ok := v.(string)
	if !ok && v != nil {
		r.fault(path, "is %v, want text; put it in quotes", v)
	}
	return s
}

// weight reads a weight that was given; 0, which a Schema takes for "not given", is refused.
func (r schemaReader) weight(path string, m map[string]any) float64 {
	v, given := m["weight"]
	if !given || v == nil {
		return 0
	}
	w := r.number(path, v, 0)
	if w == 0 {
		r.fault(path, "is 0, want above 0; use: store leaves a block out")
	}
	return w
}

func (r schemaReader) number(path string, v any, missing float64) float64 {
	switch n := v.(type) {
	case nil:
		return missing
	case float64:
		if !math.IsNaN(n) {
			return n
		}
	case uint64:
		return float64(n)
	case int64:
		return float64(n)
	case string: // 1e-3: a number in YAML 1.2, a string to the library
		if f, err := strconv.ParseFloat(n, 64); err == nil && !math.IsNaN(f) {
			return f
		}
	}
	r.fault(path, "is %v, want a number", v)
	return missing
}
