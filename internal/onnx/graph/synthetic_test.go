package graph

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
)

// sketch builds a model from lines like "y = Conv x w": the picture is x, a name that begins
// with w is a weight of [1000, 64, 1, 1] or, with wl, of [64, 10].
func sketch(t testing.TB, outputs []string, lines ...string) *Model {
	t.Helper()
	g := &onnxpb.GraphProto{Input: []*onnxpb.ValueInfoProto{{Name: proto.String("x"), Type: tensorType(onnxpb.TensorProto_FLOAT, []int64{-1, 3, 64, 64})}}}
	known := map[string]bool{}
	for _, line := range lines {
		out, call, _ := strings.Cut(line, " = ")
		words := strings.Fields(call)
		n := node(words[0], words[1:], out)
		if words[0] == "Conv" {
			n.Attribute = append(n.Attribute, intsAttribute("kernel_shape", 1, 1))
		}
		g.Node = append(g.Node, n)
		for _, name := range words[1:] {
			if !strings.HasPrefix(name, "w") || known[name] {
				continue
			}
			known[name] = true
			dims := []int64{1000, 64, 1, 1}
			if strings.HasPrefix(name, "wl") {
				dims = []int64{64, 10}
			}
			g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(1), Dims: dims})
		}
	}
	for _, out := range outputs {
		g.Output = append(g.Output, &onnxpb.ValueInfoProto{Name: proto.String(out)})
	}
	data, err := proto.Marshal(&onnxpb.ModelProto{IrVersion: proto.Int64(8), Graph: g,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(17)}}})
	if err != nil {
		t.Fatal(err)
	}
	return read(t, data)
}

// Heads and decoders of shapes that the stock models do not have.
func TestPointsOfSketches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outputs []string
		lines   []string
		tensor  string
		role    Role
	}{
		"convolutional head, pooled afterwards": {[]string{"out"}, []string{"f = MaxPool x", "c = Conv f w", "r = Relu c", "p = GlobalAveragePool r", "out = Flatten p"}, "f", RoleHead},
		"the same with softmax":                 {[]string{"out"}, []string{"f = MaxPool x", "c = Conv f wo", "p = GlobalAveragePool c", "s = Flatten p", "out = Softmax s"}, "f", RoleHead},
		"no head, though it ends alike":         {[]string{"out"}, []string{"f = MaxPool x", "c = Conv f v", "r = Clip c", "p = GlobalAveragePool r", "out = Flatten p", "v = Cast wl"}, "out", RoleOutput},
		"convolutional head on pooled features": {[]string{"out"}, []string{"p = GlobalAveragePool x", "c = Conv p w", "out = Flatten c"}, "p", RoleHead},
		"two heads, averaged":                   {[]string{"out"}, []string{"a = MaxPool x", "b = AveragePool x", "h = Gemm a wl1", "g = Gemm b wl2", "s = Add h g", "out = Div s w"}, "a", RoleHead},
		"bias and scale after the head":         {[]string{"out"}, []string{"f = MaxPool x", "m = MatMul f wl", "a = Add m wb", "d = Mul a ws", "out = Sigmoid d"}, "f", RoleHead},
		"class numbers":                         {[]string{"out"}, []string{"f = MaxPool x", "m = Gemm f wl", "out = ArgMax m"}, "f", RoleHead},
		"normalised embedding":                  {[]string{"out"}, []string{"f = MaxPool x", "m = Gemm f wl", "n = ReduceL2 m", "out = Div m n"}, "out", RoleOutput},
		"embedding behind batch normalisation":  {[]string{"fc1"}, []string{"f = MaxPool x", "m = Gemm f wl", "fc1 = BatchNormalization m w"}, "fc1", RoleOutput},
		"features after an activation":          {[]string{"out"}, []string{"f = MaxPool x", "m = Gemm f wl", "out = Relu m"}, "out", RoleOutput},
		"a named embedding beside scores":       {[]string{"scores", "image_features"}, []string{"image_features = MaxPool x", "scores = Gemm image_features wl"}, "image_features", RoleEmbedding},
		"a decoder by name":                     {[]string{"out"}, []string{"z = MaxPool x", "y = Conv z w.decoder.weight", "out = Tanh y"}, "z", RoleDecoder},
		"an autoencoder":                        {[]string{"out"}, []string{"z = MaxPool x", "y = ConvTranspose z w", "out = Tanh y"}, "z", RoleDecoder},
		"the picture itself":                    {[]string{"x"}, nil, "x", RoleOutput},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			points := sketch(t, c.outputs, c.lines...).Points("x")
			if len(points) == 0 {
				t.Fatal("no points")
			}
			if p := points[0]; p.Tensor != c.tensor || p.Role != c.role {
				t.Errorf("got %+v, want %s as role %d", p, c.tensor, c.role)
			}
		})
	}
}

// A family is guessed by what it has; the rule for its pictures hangs on it.
func TestFamilyOfSketches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		want  Family
	}{
		"DenseNet":  {[]string{"a = Conv x w", "b = Concat a x", "y = Conv b w"}, FamilyUnknown},
		"two norms": {[]string{"p = Conv x w", "a = LayerNormalization p w", "b = LayerNormalization a w", "q = MatMul b wl", "m = MatMul q b", "s = Softmax m", "y = MatMul s b"}, FamilyCLIP},
		"Swin":      {[]string{"p = Conv x w wb", "a = LayerNormalization p w", "b = LayerNormalization a w", "q = MatMul b wl", "m = MatMul q b", "s = Softmax m", "y = MatMul s b"}, FamilyUnknown},
		"plain":     {[]string{"a = Conv x w", "b = Relu a", "y = Conv b w"}, FamilyVGG},
		"nothing":   {[]string{"y = Relu x"}, FamilyUnknown},
	} {
		if got, why := sketch(t, []string{"y"}, c.lines...).Family("x"); got != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got, why, c.want)
		}
	}
	if ops := sketch(t, []string{"y"}, "a = Sub x w", "b = Mul a w", "y = Conv b w").Normalises("x"); ops != "Sub, Mul" {
		t.Errorf("arithmetic on the picture: %q, want Sub, Mul", ops)
	}
}

// What an inner graph reads from outside is kept, and so is a function that a kept node calls.
func TestExtractKeepsWhatInnerGraphsRead(t *testing.T) {
	t.Parallel()
	m := read(t, altered(t, "vgg", func(p *onnxpb.ModelProto) {
		inner := &onnxpb.GraphProto{
			Node:   []*onnxpb.NodeProto{node("Add", []string{"features.0.bias", "doubled"}, "inside")},
			Output: []*onnxpb.ValueInfoProto{{Name: proto.String("inside")}},
		}
		choice := node("If", []string{"yes"}, "chosen", &onnxpb.AttributeProto{Name: proto.String("then_branch"), Type: onnxpb.AttributeProto_GRAPH.Enum(), G: inner})
		double := node("Double", []string{"pixel_values"}, "doubled")
		double.Domain = proto.String("local")
		p.Graph.Node = append(p.Graph.Node, choice, double)
		p.Graph.Initializer = append(p.Graph.Initializer, &onnxpb.TensorProto{Name: proto.String("yes"), DataType: proto.Int32(9), RawData: []byte{1}})
		p.Graph.Output = append(p.Graph.Output, &onnxpb.ValueInfoProto{Name: proto.String("chosen")})
		p.Functions = []*onnxpb.FunctionProto{{Name: proto.String("Double"), Domain: proto.String("local")}}
	}))
	part, err := m.Extract(Edits{Front: Front{Input: "pixel_values", Side: 32}, Taps: []Tap{{Tensor: "chosen"}}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range part.proto.Graph.Initializer {
		names = append(names, w.GetName())
	}
	slices.Sort(names)
	if want := []string{"features.0.bias", "yes"}; !slices.Equal(names, want) || part.Nodes() != 2 || len(part.proto.Functions) != 1 {
		t.Errorf("weights %q, %d nodes, %d functions; want %q, 2, 1", names, part.Nodes(), len(part.proto.Functions), want)
	}
	if encoder := encoderOf(t, m); len(encoder.proto.Functions) != 0 {
		t.Error("a function that nothing calls is left")
	}
}
