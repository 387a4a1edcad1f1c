package space

// bootstrapImageWeight leaves the attributes what Infer leaves a category and a set of tags.
const bootstrapImageWeight = .65

// bootstrapBlock holds all labels of an item.
const bootstrapBlock = "attributes"

// Bootstrap returns a space that works before anything is known of the catalogue: the picture
// as the encoder gives it, not centred, imageDims long, and one block "attributes" with a
// signed hash of every label. Numbers and texts need a fit. Its Schema is empty.
//
// imageDims is the length of an encoder's output; without a picture block if it is not 1 to 65,536.
func Bootstrap(imageDims int) *Space {
	blocks := []block{{name: bootstrapBlock, weight: 1 - bootstrapImageWeight, coder: &allLabels{width: DefaultConfig().HashDims}}}
	if imageDims >= 1 && imageDims <= maxImageDims {
		picture := block{name: imageBlock, weight: bootstrapImageWeight, coder: &image{raw: imageDims, kept: imageDims}}
		blocks = []block{picture, blocks[0]}
	}
	s := newSpace(blocks, Schema{}, 0)
	s.bootstrap = true
	return s
}
