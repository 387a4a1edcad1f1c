package space

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Use says what becomes of a picture or an attribute; "" is UseEmbed, for a text UseStore.
type Use string

// The uses.
const (
	UseEmbed Use = "embed" // a block of the vector
	UseStore Use = "store" // kept with the item, no part of the vector
)

// Encoding says how an attribute becomes numbers; "" lets Fit choose from the data.
type Encoding string

// The encodings: two for labels, two for numbers.
const (
	EncodingOneHot Encoding = "onehot" // a place per value of the fitted vocabulary
	EncodingHash   Encoding = "hash"   // a signed hash of fixed width
	EncodingRobust Encoding = "robust" // (x − median) / spread
	EncodingLog    Encoding = "log"    // the same of log x
)

// Schema says which blocks an item's vector has. Attributes it does not name are stored only.
//
// Weights are relative: the share of a block is its weight over the sum of those present
// in an item.
type Schema struct {
	Image      ImageRule
	Text       TextRule
	Attributes []AttributeRule
}

// ImageRule is the picture's part of a Schema.
type ImageRule struct {
	Use    Use
	Weight float64 // 0: what the attributes leave of 1, but at least a quarter of the whole
	Reason string
}

// TextRule is the part of title and description in a Schema. It has an effect only where a text
// encoder runs.
type TextRule struct {
	Use    Use
	Weight float64 // 0: .25
	Reason string
}

// AttributeRule is one attribute's part of a Schema. Name is unique in it.
//
// A labels rule also reads numbers, each as the label of its shortest decimal form.
type AttributeRule struct {
	Name     string
	Kind     recsys.AttributeKind
	Use      Use
	Encoding Encoding
	Weight   float64 // 0: .1 for labels, .25 for hashed ones, .05 for a number
	Reason   string  // why it is so, for the person who edits the file
}

// Embedded reports whether the attribute is a block.
func (r AttributeRule) Embedded() bool {
	return r.Use == UseEmbed || r.Use == "" && r.Kind != recsys.KindText
}

// Block names of their own. No attribute block may share the picture's, and none the text's where
// there are texts.
const (
	imageBlock = "image"
	textBlock  = "text"
)

// Limits of a schema.
const (
	maxAttributes  = 2000
	maxEmbedded    = 64 // of them
	maxNameBytes   = 128
	maxReasonBytes = 1000
	maxWeight      = 1e6
	minWeight      = 1e-6
)

// Validate reports all faults, each a *recsys.FieldError with its path in the schema file.
func (s Schema) Validate() error {
	var f faults
	s.check(f.add)
	return f.err()
}

// faults collects the first fault of every path, at most maxFaults of them, and none below a
// path that is itself at fault.
type faults struct {
	list []error
	seen map[string]bool
}

const maxFaults = 100

func (f *faults) add(path, format string, args ...any) {
	if f.seen == nil {
		f.seen = make(map[string]bool)
	}
	path = brief(path)
	parent := path[:max(0, strings.LastIndexByte(path, '.'))]
	if len(f.list) == maxFaults || f.seen[path] || f.seen[parent] {
		return
	}
	f.seen[path] = true
	f.list = append(f.list, recsys.Invalid(path, "%s", brief(fmt.Sprintf(format, args...))))
}

// brief keeps what a file says about itself from filling a terminal.
func brief(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func (f *faults) err() error { return errors.Join(f.list...) }

type faultFunc = func(path, format string, args ...any)

func (s Schema) check(fault faultFunc) {
	checkUse(s.Image.Use, "image.use", fault)
	checkWeight(s.Image.Weight, "image.weight", fault)
	checkReason(s.Image.Reason, "image.reason", fault)
	checkUse(s.Text.Use, "text.use", fault)
	checkWeight(s.Text.Weight, "text.weight", fault)
	checkReason(s.Text.Reason, "text.reason", fault)
	if len(s.Attributes) > maxAttributes {
		fault("attributes", "has %d entries, want at most %d", len(s.Attributes), maxAttributes)
		return
	}
	if n := s.embedded(); n > maxEmbedded {
		fault("attributes", "%d of them are embedded, want at most %d; use: store for the others", n, maxEmbedded)
	}
	seen := make(map[string]int, len(s.Attributes))
	for i, rule := range s.Attributes {
		path := attributePath(i)
		rule.check(path, fault)
		if first, ok := seen[rule.Name]; ok {
			fault(path+".name", "%q is already attributes[%d]", rule.Name, first)
		} else {
			seen[rule.Name] = i
		}
	}
}

func attributePath(i int) string { return fmt.Sprintf("attributes[%d]", i) }

// embeds reports whether the attribute of a name is a block.
func (s Schema) embeds(name string) bool {
	return slices.ContainsFunc(s.Attributes, func(r AttributeRule) bool { return r.Name == name && r.Embedded() })
}

func (s Schema) embedded() int {
	n := 0
	for _, rule := range s.Attributes {
		if rule.Embedded() {
			n++
		}
	}
	return n
}

func (r AttributeRule) check(path string, fault faultFunc) {
	if why := nameFault(r.Name); why != "" {
		fault(path+".name", "%s", why)
	}
	checkUse(r.Use, path+".use", fault)
	checkWeight(r.Weight, path+".weight", fault)
	checkReason(r.Reason, path+".reason", fault)
	wanted, ok := encodingsOf[r.Kind]
	switch {
	case !ok:
		fault(path+".kind", "want labels, number or text")
	case r.Kind == recsys.KindText && r.Embedded():
		fault(path+".use", "a text cannot be embedded, want store")
	case r.Name == imageBlock && r.Embedded():
		fault(path+".use", "the block %q is the picture's, want store", imageBlock)
	}
	if ok && r.Encoding != "" && r.Encoding != wanted[0] && r.Encoding != wanted[1] {
		fault(path+".encoding", "is %q, want %s", r.Encoding, encodingHint(r.Kind))
	}
}

var encodingsOf = map[recsys.AttributeKind][2]Encoding{
	recsys.KindLabels: {EncodingOneHot, EncodingHash},
	recsys.KindNumber: {EncodingRobust, EncodingLog},
	recsys.KindText:   {},
}

func encodingHint(kind recsys.AttributeKind) string {
	if kind == recsys.KindText {
		return "none for a text"
	}
	e := encodingsOf[kind]
	return string(e[0]) + " or " + string(e[1])
}

// nameFault tells what keeps a name out of a schema; "" if nothing does. The limits are those
// of an attribute's name in a request.
func nameFault(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxNameBytes:
		return fmt.Sprintf("has %d bytes, want at most %d", len(name), maxNameBytes)
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "holds control characters"
	}
	return ""
}

func checkReason(reason, path string, fault faultFunc) {
	if len(reason) > maxReasonBytes || !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl) {
		fault(path, "want one line of at most %d bytes of UTF-8", maxReasonBytes)
	}
}

func checkUse(use Use, path string, fault faultFunc) {
	if use != "" && use != UseEmbed && use != UseStore {
		fault(path, "is %q, want embed or store", use)
	}
}

func checkWeight(w float64, path string, fault faultFunc) {
	if w != 0 && !(w >= minWeight && w <= maxWeight) {
		fault(path, "is %v, want above 0 (%g to %g); use: store leaves a block out", w, minWeight, maxWeight)
	}
}

// weights resolves all weights: image and text (0 if they are not embedded, as the text is not
// without texts), and one per attribute rule (0 for stored ones).
func (s Schema) weights(texts bool) (image, text float64, attributes []float64) {
	if texts && s.Text.Use != UseStore {
		text = cmp.Or(s.Text.Weight, weightText)
	}
	attributes = make([]float64, len(s.Attributes))
	sum := text
	for i, rule := range s.Attributes {
		if rule.Embedded() {
			attributes[i] = rule.weight()
			sum += attributes[i]
		}
	}
	switch {
	case s.Image.Use == UseStore:
		return 0, text, attributes
	case s.Image.Weight > 0:
		return s.Image.Weight, text, attributes
	}
	return max(1-sum, sum/3), text, attributes
}

// Weights of blocks by kind, measured on openclipart (P@10 of the category): picture alone
// .53, with .2 of the artist .57, with .5 of keywords .65 and above; title and description
// alone .67, .25 of them beside the picture .61.
const (
	weightNumber     = .05
	weightLabels     = .1
	weightTags       = .25 // several of few values per item, such as genres
	weightKeywords   = .4  // several of many values per item
	weightText       = .25 // title and description
	maxInferredShare = .6  // what attributes and text of an inferred schema weigh together at most
)

func (r AttributeRule) weight() float64 {
	switch {
	case r.Weight > 0:
		return r.Weight
	case r.Kind == recsys.KindNumber:
		return weightNumber
	case r.Encoding == EncodingHash:
		return weightTags
	}
	return weightLabels
}

// contentImageShare is the picture's share in the vector that feeds the factor model.
const contentImageShare = .1

// ContentSchema turns the schema of the index into that of the factor model's content vector, to
// be fitted on inputs with ContentConfig: the picture weighs .1, attributes and text together
// .9, in their old proportions (a picture adds a little where metadata is good; cold NDCG@10 on
// movie posters .111 with it, .105 without, .108 at equal weights; .143 with a third of the .9
// for the titles).
func ContentSchema(s Schema, inputs []Input) Schema {
	_, text, weights := s.weights(hasText(inputs))
	sum := text
	for _, w := range weights {
		sum += w
	}
	out := Schema{Image: s.Image, Text: s.Text, Attributes: make([]AttributeRule, len(s.Attributes))}
	copy(out.Attributes, s.Attributes)
	if sum == 0 || s.Image.Use == UseStore {
		return out
	}
	share := func(w float64) float64 { return math.Max(w/sum*(1-contentImageShare), minWeight) }
	if text > 0 {
		out.Text.Weight = share(text)
	}
	for i, w := range weights {
		if w > 0 {
			out.Attributes[i].Weight = share(w)
		}
	}
	out.Image.Weight = contentImageShare
	return out
}
