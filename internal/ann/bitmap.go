package ann

import "math/bits"

// pageBits is how many bits of a bitmap are copied for a change.
const pageBits = 1 << 12

// bitmap is a persistent set of numbers: versions share the pages in which they are alike.
// The zero value is empty.
type bitmap struct {
	pages []*bitPage // nil where no bit is set
	count int
}

type bitPage struct {
	owner *token
	words [pageBits / 64]uint64
}

func (b *bitmap) has(i uint32) bool {
	p := int(i / pageBits)
	return p < len(b.pages) && b.pages[p] != nil && b.pages[p].words[i%pageBits/64]>>(i%64)&1 != 0
}

// word returns the 64 bits from i on, a multiple of 64.
func (b *bitmap) word(i int) uint64 {
	if p := b.page(i / pageBits); p != nil {
		return p.words[i%pageBits/64]
	}
	return 0
}

// add sets bit i, which is not set. The caller owns b.pages; pages that o made are changed
// in place.
func (b *bitmap) add(o *token, i uint32) {
	p := int(i / pageBits)
	for p >= len(b.pages) {
		b.pages = append(b.pages, nil)
	}
	page := b.pages[p]
	if page == nil {
		page = &bitPage{owner: o}
	} else if page.owner != o {
		mine := *page
		mine.owner = o
		page = &mine
	}
	page.words[i%pageBits/64] |= 1 << (i % 64)
	b.pages[p] = page
	b.count++
}

// page returns page p, nil if it is empty.
func (b *bitmap) page(p int) *bitPage {
	if p < len(b.pages) {
		return b.pages[p]
	}
	return nil
}

// differing lists the bits in which two pages differ, each below pageBits.
func differing(a, b *bitPage) (list []int) {
	if a == b {
		return nil
	}
	var none bitPage
	if a == nil {
		a = &none
	}
	if b == nil {
		b = &none
	}
	for w := range a.words {
		for diff := a.words[w] ^ b.words[w]; diff != 0; diff &= diff - 1 {
			list = append(list, w*64+bits.TrailingZeros64(diff))
		}
	}
	return list
}
