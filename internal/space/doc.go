// Package space turns an item (raw encoder outputs and typed attributes) into one unit
// vector, and explains the similarity of two such vectors block by block.
//
// A Space is an immutable recipe: which attributes take part and how (Schema), the
// scales, vocabularies, means and projection fitted on the catalogue (Fit), and the
// weight of every block. Infer proposes a Schema, people edit it as YAML, and Bootstrap
// makes a Space that works before there is any data.
//
// It does not run encoders, keeps no items, reads no files and never compares vectors
// of two spaces. Which encoder a Space's pictures come from is known to its owner, not to
// it; the encoder of texts, which may be missing or another one, it does know.
//
// Invariants:
//   - Every block of an item is either absent (all zeros) or a unit vector times
//     √(weight / weights present), so the cosine of two items that have the same blocks is
//     the weighted mean of their per-block cosines, and the whole is a unit vector or nil.
//   - What a Space returns is finite whatever it is given. Fit refuses NaN and infinities
//     by name; Embed treats what Check refuses as absent.
//   - Fit is a function of its arguments: equal inputs give equal bytes.
//
// Method: blocks are centred by their fitted mean before they are normalised, the
// picture's is moreover projected on its principal components, each divided by a small
// power of its eigenvalue ("all but the top", Mu & Viswanath 2018, in a soft form);
// several signed positions per hashed label follow Weinberger et al. 2009 and Kane &
// Nelson 2014; a number becomes random-Fourier-like features of a wrapped Gaussian kernel
// (Rahimi & Recht 2007, with the frequencies chosen instead of drawn).
//
// Room is left for learned projections and for one mean per picture source: each is another
// coder or another mean of a block, and a new version of the stored form (FORMAT.md).
package space
