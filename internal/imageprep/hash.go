package imageprep

import (
	"math"
	"math/bits"
)

// Hash is a difference hash of 256 bits: of a picture averaged to 17 × 16 grey fields, a bit tells
// whether a field is brighter than the one to its right. Copies of a picture that were compressed,
// scaled or brightened anew differ in few bits; others in about a hundred.
type Hash [32]byte

// hashColumns and hashRows are the fields of a Hash; a row has one bit fewer than columns.
const hashColumns, hashRows = 17, 16

// hashMargin is by how much a field must be brighter, in units of a normalised channel, where a
// level of 255 is about .01: what compression does to an even ground must not turn bits.
const hashMargin = .02

// HashTensor hashes a picture and its mirror image by the tensor that a Rule with a square crop made of
// it. Hashes of two Rules do not compare. What is no tensor of a square has no bit set.
func HashTensor(tensor []float32) (plain, mirrored Hash) {
	side := int(math.Round(math.Sqrt(float64(len(tensor) / 3))))
	if 3*side*side != len(tensor) {
		return Hash{}, Hash{}
	}
	columns, lines := newShares(side, hashColumns), newShares(side, hashRows)
	var fields [hashRows][hashColumns]float64
	plane := side * side
	for y := range side {
		var across [hashColumns]float64
		for x := range side {
			at := y*side + x
			grey := .299*float64(tensor[at]) + .587*float64(tensor[plane+at]) + .114*float64(tensor[2*plane+at])
			for _, share := range columns[x] {
				across[share.to] += share.weight * grey
			}
		}
		for _, share := range lines[y] {
			for x, grey := range across {
				fields[share.to][x] += share.weight * grey
			}
		}
	}
	for y := range fields {
		for x := range hashColumns - 1 {
			bit := y*(hashColumns-1) + x
			if fields[y][x] > fields[y][x+1]+hashMargin {
				plain[bit/8] |= 1 << (bit % 8)
			}
			if fields[y][hashColumns-1-x] > fields[y][hashColumns-2-x]+hashMargin {
				mirrored[bit/8] |= 1 << (bit % 8)
			}
		}
	}
	return plain, mirrored
}

// quiet is how many bits a picture without a quiet ground has at least.
const quiet = 96

// Distance is the number of bits that differ, 0 to 256. Of two pictures on a quiet ground, which have few
// bits set together, it is scaled up as if they had 96: drawings on white would else all be near
// to each other. Where neither has a bit nothing can be told, and it is 256.
func (h Hash) Distance(o Hash) int {
	differ, either := 0, 0
	for i := range h {
		differ += bits.OnesCount8(h[i] ^ o[i])
		either += bits.OnesCount8(h[i] | o[i])
	}
	switch {
	case either == 0:
		return 8 * len(h)
	case either < quiet:
		return min(differ*quiet/either, 8*len(h))
	}
	return differ
}
