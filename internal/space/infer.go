package space

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Infer proposes a schema for a catalogue, with the reason for every choice.
//
// Identifiers, nearly unique values, raw sizes, constants, texts and attributes that hardly any
// item has are stored only: embedded as they are they ruin the neighbours (unscaled width and
// height: P@10 of the openclipart category .53 → .36). Attributes are ordered by name, embedded
// ones first. Names that no schema may hold are left out. The result is valid.
func Infer(inputs []Input, cfg InferConfig) Schema {
	columns := columnsOf(inputs)
	texts := countTexts(inputs)
	var embedded, stored []AttributeRule
	for _, c := range columns {
		rule := c.rule(len(inputs), cfg)
		if c.name == textBlock && texts > 0 {
			rule = AttributeRule{Name: c.name, Kind: rule.Kind, Use: UseStore, Reason: "its name is that of the text's block"}
		}
		if rule.Use == UseEmbed {
			embedded = append(embedded, rule)
		} else {
			stored = append(stored, rule)
		}
	}
	present := make(map[string]int, len(columns))
	for _, c := range columns {
		present[c.name] = c.present
	}
	embedded, surplus := mostPresent(embedded, present, min(cfg.MaxEmbedded, maxEmbedded))
	stored = append(stored, surplus...)
	byName := func(a, b AttributeRule) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(embedded, byName)
	slices.SortFunc(stored, byName)
	s := Schema{Attributes: append(embedded, stored...)}
	s.Attributes = s.Attributes[:min(len(s.Attributes), maxAttributes)]
	if texts > 0 {
		s.Text = TextRule{Use: UseEmbed, Weight: weightText, Reason: fmt.Sprintf("title and description of %d of %s", texts, counted(len(inputs), "item"))}
	}
	s.share()
	return s
}

// mostPresent splits off the rules beyond limit, those on the fewest items, as stored ones.
func mostPresent(rules []AttributeRule, present map[string]int, limit int) (kept, surplus []AttributeRule) {
	slices.SortStableFunc(rules, func(a, b AttributeRule) int { return cmp.Compare(present[b.Name], present[a.Name]) })
	limit = max(0, min(limit, len(rules)))
	for _, r := range rules[limit:] {
		r.Use, r.Weight = UseStore, 0
		r.Reason = fmt.Sprintf("%d attributes on more items are embedded already", limit)
		surplus = append(surplus, r)
	}
	return rules[:limit], surplus
}

// share scales the weights of attributes and text down to maxInferredShare and leaves the rest to
// the picture.
func (s *Schema) share() {
	sum := s.Text.Weight
	for _, r := range s.Attributes {
		sum += r.Weight
	}
	scale := 1.0
	if sum > maxInferredShare {
		scale = maxInferredShare / sum
	}
	s.Text.Weight = round3(s.Text.Weight * scale)
	total := s.Text.Weight
	for i := range s.Attributes {
		s.Attributes[i].Weight = round3(s.Attributes[i].Weight * scale)
		total += s.Attributes[i].Weight
	}
	reason := "what the attributes leave"
	if s.Text.Weight > 0 {
		reason = "what text and attributes leave"
	}
	s.Image = ImageRule{Use: UseEmbed, Weight: round3(1 - total), Reason: reason}
}

func round3(x float64) float64 { return math.Round(x*1000) / 1000 }

// column is what is known of one attribute over the whole catalogue.
type column struct {
	name    string
	kinds   [recsys.KindText + 1]int
	present int
	several int            // items with two labels or more
	labels  int            // labels on all items together
	counts  map[string]int // how many items have a label
	numbers []float64
}

// columnsOf gathers the attributes of all items, ordered by name.
func columnsOf(inputs []Input) []*column {
	byName := make(map[string]*column)
	for i := range inputs {
		for name, a := range inputs[i].Attributes {
			c := byName[name]
			if c == nil {
				if nameFault(name) != "" {
					continue
				}
				c = &column{name: name, counts: make(map[string]int)}
				byName[name] = c
			}
			c.add(a)
		}
	}
	columns := make([]*column, 0, len(byName))
	for _, c := range byName {
		columns = append(columns, c)
	}
	slices.SortFunc(columns, func(a, b *column) int { return cmp.Compare(a.name, b.name) })
	return columns
}

func (c *column) add(a recsys.Attribute) {
	switch a.Kind {
	case recsys.KindLabels:
		if len(a.Labels) == 0 {
			return
		}
		if len(a.Labels) > 1 {
			c.several++
		}
	case recsys.KindNumber:
		if !finite(a.Number) {
			return
		}
		c.numbers = append(c.numbers, a.Number)
	case recsys.KindText:
	default:
		return
	}
	c.kinds[a.Kind]++
	c.present++
	for _, label := range labelsOf(a) {
		c.counts[label]++
		c.labels++
	}
}

// kind is text if there is any, else labels if there are any (they can also hold numbers).
func (c *column) kind() recsys.AttributeKind {
	switch {
	case c.kinds[recsys.KindText] > 0:
		return recsys.KindText
	case c.kinds[recsys.KindLabels] > 0:
		return recsys.KindLabels
	}
	return recsys.KindNumber
}

func (c *column) rule(items int, cfg InferConfig) AttributeRule {
	rule := AttributeRule{Name: c.name, Kind: c.kind(), Use: UseStore}
	if rule.Reason = c.unfit(items, cfg); rule.Reason != "" {
		return rule
	}
	rule.Use = UseEmbed
	if rule.Kind == recsys.KindNumber {
		rule.Weight, rule.Encoding = weightNumber, EncodingRobust
		low, high := slices.Min(c.numbers), slices.Max(c.numbers)
		rule.Reason = fmt.Sprintf("a number from %.6g to %.6g", low, high)
		if heavyTailed(c.numbers) {
			rule.Encoding = EncodingLog
			rule.Reason += ", most of them small: compared by ratio"
		}
		return rule
	}
	rule.Weight, rule.Encoding = weightLabels, EncodingOneHot
	rule.Reason = fmt.Sprintf("%s, one per item", counted(len(c.counts), "value"))
	if c.multiValued() {
		rule.Weight = weightTags
		rule.Reason = fmt.Sprintf("%s, %.1f per item", counted(len(c.counts), "value"), float64(c.labels)/float64(c.present))
	}
	if len(c.counts) > cfg.MaxOneHot {
		rule.Encoding = EncodingHash
		rule.Reason += fmt.Sprintf("; more than %d are hashed", cfg.MaxOneHot)
		if c.multiValued() {
			rule.Weight = weightKeywords
		}
	}
	return rule
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// multiValued: an item with two labels by mistake does not make a category a set of tags.
func (c *column) multiValued() bool { return c.several*10 > c.present }

// unfit gives the reason to leave a column out of the vector; "" if there is none.
func (c *column) unfit(items int, cfg InferConfig) string {
	switch kind := c.kind(); {
	case identifier(c.name):
		return "an identifier, by its name"
	case c.name == imageBlock:
		return "its name is that of the picture's block"
	case c.present == 0:
		return "no item has it"
	case kind == recsys.KindText:
		return "free text"
	case kind == recsys.KindNumber && rawSize(c.name):
		return "a raw size, by its name"
	case len(c.counts) == 1 && items > 1:
		return fmt.Sprintf("always the same value (on %d of %s)", c.present, counted(items, "item"))
	case float64(c.present) < cfg.MinCoverage*float64(items):
		return fmt.Sprintf("on %d of %s only", c.present, counted(items, "item"))
	case c.present < cfg.MinItems:
		return ""
	case kind == recsys.KindNumber:
		return c.serial()
	case float64(c.singletons()) >= cfg.NearUnique*float64(c.labels):
		return fmt.Sprintf("nearly unique: %d of %d values are on one item only", c.singletons(), len(c.counts))
	}
	return ""
}

func (c *column) singletons() int {
	n := 0
	for _, count := range c.counts {
		if count == 1 {
			n++
		}
	}
	return n
}

// serial spots numbers that name rather than measure: whole and nearly all different. Numbers
// with a fraction may well be all different and still measure something.
func (c *column) serial() string {
	for _, x := range c.numbers {
		if x != math.Trunc(x) {
			return ""
		}
	}
	if len(c.counts)*20 < c.present*19 {
		return ""
	}
	return fmt.Sprintf("whole numbers, nearly all different (%d of %d): a serial number", len(c.counts), c.present)
}

var sizeWords = []string{"width", "height", "bytes", "size", "filesize", "pixels", "megapixels", "px", "dpi", "resolution"}

// identifier tells by an attribute's name that its values name things.
func identifier(name string) bool {
	name = strings.ToLower(name)
	return name == "id" || strings.HasSuffix(name, "_id")
}

// rawSize tells by a word of the name whether a number is the size of a file or a picture.
func rawSize(name string) bool {
	for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("_- ./", r) }) {
		if slices.Contains(sizeWords, word) {
			return true
		}
	}
	return false
}
