package graph

import (
	"math"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
)

// Family is the kind of architecture a model has, as far as its graph tells.
type Family string

const (
	FamilyVGG              Family = "vgg"
	FamilyResNet           Family = "resnet"
	FamilyEfficientNet     Family = "efficientnet"
	FamilyEfficientNetLite Family = "efficientnet-lite"
	FamilyMobileNet        Family = "mobilenet"
	FamilyViT              Family = "vit"
	FamilyViTMAE           Family = "vit-mae"
	FamilyCLIP             Family = "clip"
	FamilyText             Family = "text"
	FamilyUnknown          Family = "unknown"
)

// traits are what a family is known by.
type traits struct {
	convolutions, depthwise, wideDepthwise, attention, gates, sums, joins, hardSwish, clips, layerNorms, doubleNorms, biases int
	channelLast                                                                                                              bool
}

// Family guesses the architecture behind an input and says what it goes by.
func (m *Model) Family(input string) (Family, string) {
	if _, ok := m.PictureInput(); !ok {
		return FamilyText, "it takes whole numbers and no picture"
	}
	a := newAnalysis(m, input)
	if word := m.mentions("visual_projection", "logit_scale", "image_embeds", "vision_model."); word != "" {
		return FamilyCLIP, "names in it say " + word
	}
	if len(a.shuffles) > 0 {
		return FamilyViTMAE, "it draws patches to mask"
	}
	t := a.traits()
	switch {
	case t.attention > 0 && t.doubleNorms > 0 && t.biases == 0:
		return FamilyCLIP, "patches without bias, normalised before the first block as well"
	case t.attention > 0 && t.doubleNorms > 0: // Swin
		return FamilyUnknown, "attention, but after another beginning than ViT's and CLIP's"
	case t.attention > 0 && t.convolutions <= 3:
		return FamilyViT, "patches, then attention"
	case t.attention > 0:
		return FamilyUnknown, "convolutions and attention"
	case t.hardSwish > 0 && t.depthwise > 0:
		return FamilyMobileNet, "depthwise convolutions and hard swish"
	case t.gates > 0 && t.depthwise > 0:
		return FamilyEfficientNet, "depthwise convolutions and gates from pooled channels"
	case t.depthwise > 0 && t.clips > 0 && (t.wideDepthwise > 0 || t.channelLast || m.mentions("lite") != ""):
		return FamilyEfficientNetLite, "depthwise convolutions without gates, some 5 × 5 or channels last"
	case t.depthwise > 0 && t.layerNorms == 0:
		return FamilyMobileNet, "depthwise convolutions without gates"
	case t.depthwise > 0 || t.joins > 0 || t.layerNorms > 0:
		return FamilyUnknown, "convolutions and what VGG and ResNet do not have"
	case t.sums > 0 && t.convolutions > 3:
		return FamilyResNet, "convolutions and sums"
	case t.convolutions > 0 && t.sums == 0:
		return FamilyVGG, "convolutions in a row"
	}
	return FamilyUnknown, "no family's marks were found"
}

func (a *analysis) traits() traits {
	var t traits
	value, _ := a.PictureInput()
	t.channelLast = ChannelLast(value)
	for _, n := range a.nodes {
		input := a.liveInput(n)
		if input == "" {
			continue
		}
		switch n.GetOpType() {
		case "Conv", "QLinearConv":
			t.convolutions++
			if len(n.Input) > 2 {
				t.biases++
			}
			if integer(n, "group", 1) > 1 {
				t.depthwise++
				if kernel := ints(n, "kernel_shape"); len(kernel) == 2 && kernel[0] >= 5 {
					t.wideDepthwise++
				}
			}
		case "Softmax", "Attention", "MultiHeadAttention":
			if n.GetOpType() != "Softmax" || a.ofProduct(input) {
				t.attention++
			}
		case "HardSwish", "HardSigmoid":
			t.hardSwish++
		case "Clip":
			t.clips++
		case "LayerNormalization":
			t.layerNorms++
			if maker := a.maker(input); maker != nil && maker.GetOpType() == "LayerNormalization" {
				t.doubleNorms++
			}
		case "Concat":
			if len(a.liveInputs(n)) > 1 {
				t.joins++
			}
		case "Add", "Sum":
			if len(a.liveInputs(n)) > 1 {
				t.sums++
			}
		case "Mul":
			if a.gates(n) {
				t.gates++
			}
		}
	}
	return t
}

// ofProduct: attention's softmax is over products of two live tensors.
func (a *analysis) ofProduct(tensor string) bool {
	for range 8 {
		n := a.maker(tensor)
		switch {
		case n == nil:
			return false
		case n.GetOpType() == "MatMul":
			return len(a.liveInputs(n)) == 2
		case n.GetOpType() == "Where", a.passes(n):
			tensor = a.liveInput(n)
		default:
			return false
		}
	}
	return false
}

// gates: squeeze and excitation multiplies a map by what was made of its pooled channels.
func (a *analysis) gates(n *onnxpb.NodeProto) bool {
	if len(a.liveInputs(n)) != 2 {
		return false
	}
	return slices.ContainsFunc(n.Input, func(tensor string) bool {
		for range 8 {
			maker := a.maker(tensor)
			if maker == nil {
				return false
			}
			if isPooling(maker.GetOpType()) {
				return true
			}
			tensor = a.liveInput(maker)
		}
		return false
	})
}

// mentions looks for words in the names of the graph, its borders and its weights.
func (m *Model) mentions(words ...string) string {
	var found string
	look := func(name string) {
		name = strings.ToLower(name)
		for _, word := range words {
			if found == "" && strings.Contains(name, word) {
				found = name
			}
		}
	}
	look(m.proto.Graph.GetName())
	for _, v := range append(m.Inputs(), m.Outputs()...) {
		look(v.Name)
	}
	for _, w := range m.proto.Graph.Initializer {
		look(w.GetName())
	}
	return found
}

// PictureInput is the input that takes pictures: of four dimensions, one of them three channels.
func (m *Model) PictureInput() (Value, bool) {
	var unstated []Value
	for _, v := range m.Inputs() {
		switch {
		case !pictureType(v.Type):
		case len(v.Dims) == 4 && (v.Dims[1] == 3 || ChannelLast(v)):
			return v, true
		case len(v.Dims) == 4 && v.Dims[1] == -1, v.Dims == nil:
			unstated = append(unstated, v)
		}
	}
	if len(unstated) == 1 {
		return unstated[0], true
	}
	return Value{}, false
}

// TextInputs are the inputs of a model that takes token ids: ids, attention mask and token
// types, the latter two empty if the model has none.
func (m *Model) TextInputs() (ids, mask, types string, ok bool) {
	for _, v := range m.Inputs() {
		if v.Type != onnxpb.TensorProto_INT64 || len(v.Dims) != 2 {
			continue
		}
		switch {
		case strings.Contains(v.Name, "mask"):
			mask = v.Name
		case strings.Contains(v.Name, "type") || strings.Contains(v.Name, "segment"):
			types = v.Name
		case ids == "":
			ids = v.Name
		}
	}
	return ids, mask, types, ids != ""
}

func pictureType(t onnxpb.TensorProto_DataType) bool {
	switch t {
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_UINT8:
		return true
	}
	return false
}

// ChannelLast reports whether an input wants [batch, height, width, 3].
func ChannelLast(v Value) bool { return len(v.Dims) == 4 && v.Dims[3] == 3 && v.Dims[1] != 3 }

// Side finds the side of the square that a picture input wants: stated, or told by how many
// positions a vision transformer has; 0 if neither.
func (m *Model) Side(v Value) (side int64, why string) {
	if len(v.Dims) == 4 {
		height, width := v.Dims[2], v.Dims[3]
		if ChannelLast(v) {
			height, width = v.Dims[1], v.Dims[2]
		}
		if height > 0 && height == width {
			return height, "the input's shape"
		}
		if height > 0 && width > 0 {
			return 0, ""
		}
	}
	return m.positions(v.Name)
}

// positions multiplies the patch size by the side of the grid of position embeddings, which is
// a weight of [1, positions, width] with one or two positions for class tokens.
func (m *Model) positions(input string) (int64, string) {
	a := newAnalysis(m, input)
	for _, n := range a.nodes {
		kernel, stride := ints(n, "kernel_shape"), ints(n, "strides")
		if n.GetOpType() != "Conv" || a.liveInput(n) == "" || len(kernel) != 2 || kernel[0] < 4 || !slices.Equal(kernel, stride) || len(n.Input) < 2 {
			continue
		}
		filters := m.weightDims(n.Input[1])
		if len(filters) != 4 {
			return 0, ""
		}
		for _, w := range m.proto.Graph.Initializer {
			dims := w.GetDims()
			if len(dims) == 3 && dims[0] == 1 {
				dims = dims[1:]
			}
			if len(dims) != 2 || dims[1] != filters[0] || dims[0] < 4 || dims[0] > 1<<20 {
				continue
			}
			for tokens := range int64(3) {
				if grid := dims[0] - tokens; square(grid) {
					return int64(math.Round(math.Sqrt(float64(grid)))) * kernel[0], "the number of position embeddings, " + w.GetName()
				}
			}
		}
		return 0, ""
	}
	return 0, ""
}

// Normalises names the arithmetic that a model does on its input before the first layer, such as
// "Sub, Mul"; empty if there is none. Such a model wants raw channel values.
func (m *Model) Normalises(input string) string {
	var ops []string
	for _, n := range m.nodes {
		if !slices.Contains(n.Input, input) {
			continue
		}
		switch op := n.GetOpType(); op {
		case "Sub", "Mul", "Div", "Add", "BatchNormalization":
			ops = append(ops, op)
		case "Cast", "Transpose", "Identity":
		default:
			return strings.Join(ops, ", ")
		}
		input = n.Output[0]
	}
	return strings.Join(ops, ", ")
}

// IsFloat reports whether a value is float32 or float16.
func (v Value) IsFloat() bool {
	return v.Type == onnxpb.TensorProto_FLOAT || v.Type == onnxpb.TensorProto_FLOAT16
}

// Fixed reports whether all dimensions but the first are stated.
func (v Value) Fixed() bool {
	return len(v.Dims) > 1 && !slices.Contains(v.Dims[1:], -1)
}
