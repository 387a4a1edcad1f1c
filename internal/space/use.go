package space

import "github.com/seed-473295a7/vitrine/internal/recsys"

// BlockUse tells what a block makes of a set of items, before anything is centred.
type BlockUse struct {
	Name    string
	Present int     // items that have it
	Density float64 // mean share of a code that is not zero, over these
	Dead    int     // dimensions that are zero for every item
	Alike   bool    // all items that have it have the same code: it tells nobody apart
	Unseen  int     // items with a value that the block has no place for
	Wrong   int     // items whose attribute is of another kind than the schema says
}

// Use tells of every block, in the order of Layout, what it makes of inputs.
func (s *Space) Use(inputs []Input) []BlockUse {
	out := make([]BlockUse, len(s.blocks))
	for k := range s.blocks {
		out[k] = s.blocks[k].use(inputs)
		for i := range inputs {
			if s.wrongKind(s.blocks[k].name, inputs[i].Attributes) {
				out[k].Wrong++
			}
		}
	}
	return out
}

func (b *block) use(inputs []Input) BlockUse {
	u := BlockUse{Name: b.name, Alike: true}
	d := b.coder.dims()
	code, first, used := make([]float32, d), make([]float32, d), make([]bool, d)
	for i := range inputs {
		u.Unseen += min(1, b.unseen(inputs[i].Attributes))
		clear(code)
		if !b.coder.code(&inputs[i], code) {
			continue
		}
		u.Present++
		if u.Present == 1 {
			copy(first, code)
		}
		filled := 0
		for j, v := range code {
			u.Alike = u.Alike && v == first[j]
			if v != 0 {
				used[j] = true
				filled++
			}
		}
		u.Density += float64(filled) / float64(d)
	}
	u.Density /= max(1, float64(u.Present))
	u.Alike = u.Alike && u.Present > 1
	for _, ok := range used {
		if !ok {
			u.Dead++
		}
	}
	return u
}

// unseen counts the labels that a one-hot block has no place for; other blocks have one for all.
func (b *block) unseen(attributes map[string]recsys.Attribute) int {
	o, ok := b.coder.(*oneHot)
	if !ok {
		return 0
	}
	n := 0
	for _, label := range labelsOf(attributes[o.name]) {
		if _, known := o.places[label]; !known {
			n++
		}
	}
	return n
}

// wrongKind reports whether an attribute cannot be read by the block of its name.
func (s *Space) wrongKind(name string, attributes map[string]recsys.Attribute) bool {
	a, ok := attributes[name]
	if !ok {
		return false
	}
	for _, rule := range s.schema.Attributes {
		if rule.Name == name && rule.Embedded() {
			return !rule.reads(a.Kind)
		}
	}
	return false
}

// reads reports whether values of a kind can be embedded by the rule.
func (r AttributeRule) reads(kind recsys.AttributeKind) bool {
	return kind == r.Kind || kind == recsys.KindNumber && r.Kind == recsys.KindLabels
}

// Overlooked counts what Embed passes over in an item's attributes: labels that were not there when
// the space was fitted, and attributes of another kind than they had then. Neither is a fault of the
// item: it is embedded from the rest, and a later fit finds them.
func (s *Space) Overlooked(attributes map[string]recsys.Attribute) (unseen, wrong int) {
	for k := range s.blocks {
		unseen += s.blocks[k].unseen(attributes)
		if s.wrongKind(s.blocks[k].name, attributes) {
			wrong++
		}
	}
	return unseen, wrong
}

// CheckKinds refuses a schema that says another kind of an attribute than all items have it in;
// recsys.ErrInvalid names each. Where the kinds are mixed, the items that fit are embedded by it.
func (s Schema) CheckKinds(inputs []Input) error {
	var f faults
	for i, rule := range s.Attributes {
		if !rule.Embedded() {
			continue
		}
		fitting, others := 0, make(map[recsys.AttributeKind]int)
		for k := range inputs {
			if a, ok := inputs[k].Attributes[rule.Name]; ok {
				if rule.reads(a.Kind) {
					fitting++
				} else {
					others[a.Kind]++
				}
			}
		}
		for kind, n := range others {
			if fitting == 0 {
				f.add(attributePath(i)+".kind", "is %v, but %q is %v on %d items and %v on none", rule.Kind, rule.Name, kind, n, rule.Kind)
			}
		}
	}
	return f.err()
}
