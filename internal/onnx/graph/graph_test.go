package graph

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func stockFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "stock", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func stock(t testing.TB, name string) *Model {
	t.Helper()
	return read(t, stockFile(t, name))
}

func read(t testing.TB, data []byte) *Model {
	t.Helper()
	m, err := Read(data, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// altered decodes a stock file, changes it and encodes it again.
func altered(t testing.TB, name string, change func(*onnxpb.ModelProto)) []byte {
	t.Helper()
	p := new(onnxpb.ModelProto)
	if err := proto.Unmarshal(stockFile(t, name), p); err != nil {
		t.Fatal(err)
	}
	change(p)
	data, err := proto.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func picture(t testing.TB, m *Model) string {
	t.Helper()
	v, ok := m.PictureInput()
	if !ok {
		t.Fatalf("no picture input among %v", m.Inputs())
	}
	return v.Name
}

// What is found first in every family, and why.
func TestPoints(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		family Family
		role   Role
		tensor string
		why    string
	}{
		"vgg":             {FamilyVGG, RoleHead, "/classifier/classifier.4/Relu_output_0", "(24 → 10)"},
		"resnet":          {FamilyResNet, RoleHead, "/model/resnet/pooler/GlobalAveragePool_output_0", "(16 → 10)"},
		"resnet_dynamo":   {FamilyResNet, RoleHead, "mean", "(16 → 10)"},
		"efficientnet":    {FamilyEfficientNet, RoleHead, "/avgpool/GlobalAveragePool_output_0", "(40 → 10)"},
		"mobilenet":       {FamilyMobileNet, RoleHead, "/classifier/classifier.1/Mul_output_0", "(32 → 10)"},
		"lite_nhwc":       {FamilyEfficientNetLite, RoleHead, "/GlobalAveragePool_output_0", "(20 → 10)"},
		"vit":             {FamilyViT, RoleHead, "/model/Gather_output_0", "(16 → 10)"},
		"vit_dynamo":      {FamilyViT, RoleHead, "select", "(16 → 10)"},
		"vit_tokens":      {FamilyViT, RoleTokens, "last_hidden_state", "tokens"},
		"vit_torchvision": {FamilyViT, RoleHead, "/Gather_4_output_0", "(16 → 10)"},
		"vitmae":          {FamilyViTMAE, RoleDecoder, "/model/vit/layernorm/LayerNormalization_output_0", "masked patches"},
		"clip_vision":     {FamilyCLIP, RoleEmbedding, "image_embeds", "name"},
		"clip":            {FamilyCLIP, RoleEmbedding, "/model/visual_projection/MatMul_output_0", "compared"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := stock(t, name)
			input := picture(t, m)
			if family, why := m.Family(input); family != want.family {
				t.Errorf("family %s (%s), want %s", family, why, want.family)
			}
			points := m.Points(input)
			if len(points) == 0 {
				t.Fatal("no points")
			}
			if p := points[0]; p.Role != want.role || p.Tensor != want.tensor || !strings.Contains(p.Why, want.why) {
				t.Errorf("got %+v, want role %d, %s, because of %s", p, want.role, want.tensor, want.why)
			}
		})
	}
}

// VGG's alternatives: both hidden layers, and the map before them.
func TestEarlierPoints(t *testing.T) {
	t.Parallel()
	m := stock(t, "vgg")
	var got []string
	for _, p := range m.Points(picture(t, m)) {
		got = append(got, p.Tensor)
	}
	want := []string{"/classifier/classifier.4/Relu_output_0", "/classifier/classifier.1/Relu_output_0",
		"/avgpool/AveragePool_output_0", "/features/features.8/MaxPool_output_0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

// encoderOf extracts a stock model's first point.
func encoderOf(t testing.TB, m *Model) *Model {
	t.Helper()
	input := picture(t, m)
	part, err := m.Extract(Edits{Front: Front{Input: input, Side: 32}, Unmask: true, Taps: []Tap{{Tensor: m.Points(input)[0].Tensor}}})
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// Nothing of a head, a decoder or another tower is left, neither nodes nor weights.
func TestExtractPrunes(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string][]string{
		"vgg": {"classifier.6"}, "resnet": {"model.classifier"}, "vit": {"model.classifier"}, "vitmae": {"decoder", "mask_token", "Random", "TopK"},
		"clip": {"text_model", "logit_scale", "text_projection", "input_ids", "attention_mask"}, "lite_nhwc": {"head.weight", "Softmax:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := stock(t, name)
			part := encoderOf(t, m)
			if part.Nodes() >= m.Nodes() {
				t.Errorf("%d nodes are left of %d", part.Nodes(), m.Nodes())
			}
			var left []string
			for _, n := range part.nodes {
				left = append(append(left, n.GetOpType(), n.GetName()), append(n.Input, n.Output...)...)
			}
			for _, w := range part.proto.Graph.Initializer {
				left = append(left, w.GetName())
			}
			for _, v := range append(part.Inputs(), part.Outputs()...) {
				left = append(left, v.Name)
			}
			for _, word := range gone {
				// Exporters share equal weights: the encoder may read one under the decoder's name.
				if at := slices.IndexFunc(left, func(s string) bool { return strings.Contains(s, word) && m.weights[s] == nil }); at >= 0 {
					t.Errorf("%q is left: %s", word, left[at])
				}
			}
			if len(part.Inputs()) != 1 {
				t.Errorf("inputs %v, want the picture alone", part.Inputs())
			}
		})
	}
}

func TestExtractLeavesTheModelAlone(t *testing.T) {
	t.Parallel()
	m := stock(t, "vitmae")
	before, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	encoderOf(t, m)
	after, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, after) {
		t.Error("Extract changed its model")
	}
}

func TestExtractRefuses(t *testing.T) {
	t.Parallel()
	m := stock(t, "clip")
	input := picture(t, m)
	front := Front{Input: input, Side: 32}
	if _, err := m.Extract(Edits{Front: front, Taps: []Tap{{Tensor: "nowhere"}}}); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("missing tensor: %v, want ErrNotFound", err)
	}
	if _, err := m.Extract(Edits{Front: front, Taps: []Tap{{Tensor: "logits_per_image"}}}); !errors.Is(err, recsys.ErrIncompatible) || !strings.Contains(err.Error(), "input_ids") {
		t.Errorf("tensor of both towers: %v, want ErrIncompatible naming input_ids", err)
	}
	if _, err := m.Extract(Edits{Front: front, Taps: []Tap{{Tensor: "/model/text_projection/MatMul_output_0"}}}); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("tensor of the other tower: %v, want ErrIncompatible", err)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dims []int64
		text bool
		want []Fitted
	}{
		{[]int64{1, 2048}, false, []Fitted{{PoolNone, 2048}}},
		{[]int64{1, 2048, 1, 1}, false, []Fitted{{PoolFlatten, 2048}}},
		{[]int64{1, 512, 7, 7}, false, []Fitted{{PoolMap, 512}, {PoolFlatten, 25088}}},
		{[]int64{1, 197, 768}, false, []Fitted{{PoolClass, 768}, {PoolPatches, 768}, {PoolTokens, 768}}},
		{[]int64{1, 196, 768}, false, []Fitted{{PoolTokens, 768}, {PoolClass, 768}}},
		{[]int64{1, 7, 384}, true, []Fitted{{PoolMasked, 384}, {PoolClass, 384}}},
		{[]int64{1, 5, 5, 5, 5}, false, nil},
		{[]int64{1}, false, nil},
		{nil, false, nil},
		{[]int64{1, 1 << 40, 1 << 40, 3}, false, nil},
		{[]int64{1, 0}, false, nil},
	} {
		if diff := cmp.Diff(c.want, Fit(c.dims, c.text)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.dims, diff)
		}
	}
}

// The side a file leaves open is told by a vision transformer's positions.
func TestSide(t *testing.T) {
	t.Parallel()
	open := func(p *onnxpb.ModelProto) {
		dims := p.Graph.Input[0].Type.GetTensorType().Shape.Dim
		dims[2].Value, dims[3].Value = nil, nil
	}
	m := read(t, altered(t, "vit_dynamo", open))
	v, ok := m.PictureInput()
	if side, why := m.Side(v); !ok || side != 32 || !strings.Contains(why, "position") {
		t.Errorf("vision transformer: %d (%s), want 32 from its positions", side, why)
	}
	m = read(t, altered(t, "resnet", open))
	v, _ = m.PictureInput()
	if side, why := m.Side(v); side != 0 {
		t.Errorf("ResNet: %d (%s), want nothing", side, why)
	}
}
