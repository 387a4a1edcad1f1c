package onnx

import (
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/graph"
	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
)

// stockFiles are tiny models with heads and decoders on; testdata/make_stock.py made them.
func stockFiles() fs.FS { return os.DirFS(filepath.Join("testdata", "stock")) }

// expectation is what PyTorch's encoder gives for the waves.
type expectation struct {
	Side    int         `json:"side"`
	IDs     [][]int64   `json:"ids"`
	Vectors [][]float32 `json:"vectors"`
}

func expectations(t testing.TB) map[string]expectation {
	t.Helper()
	data, err := fs.ReadFile(stockFiles(), "expect.json")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]expectation
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func sourceConfig(files fs.FS, file string) SourceConfig {
	return SourceConfig{Library: os.Getenv("VITRINE_ONNXRUNTIME_LIB"), Files: files, File: file, Limits: graph.DefaultLimits()}
}

func strip(t testing.TB, c StripConfig) *Stripped {
	t.Helper()
	s, err := Strip(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// waves are the two input rows of make_stock.py.
func waves(side int) [2][]float32 {
	var out [2][]float32
	n := 3 * side * side
	for row := range out {
		out[row] = make([]float32, n)
		for i := range n {
			out[row][i] = float32(math.Sin(.01 * float64(row*n+i)))
		}
	}
	return out
}

// openStripped opens what Strip made, as a saved encoder would be.
func openStripped(t *testing.T, s *Stripped) *Encoder {
	t.Helper()
	manifest, err := json.Marshal(s.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
	config.Files = fstest.MapFS{"m.json": {Data: manifest}, s.Manifest.File: {Data: s.model}}
	config.Manifest = "m.json"
	e, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, e) })
	return e
}

// pictureStocks names the stock models of pictures with what must come out of each.
var pictureStocks = []struct {
	name, family, pooling string
	maxBatch              int
	preset                string
}{
	{"vgg", "vgg", "none", 0, "imagenet"},
	{"resnet", "resnet", "flatten", 0, "imagenet"},
	{"resnet_dynamo", "resnet", "flatten", 0, "imagenet"},
	{"efficientnet", "efficientnet", "flatten", 0, "imagenet"},
	{"mobilenet", "mobilenet", "none", 0, "imagenet"},
	{"lite_nhwc", "efficientnet-lite", "flatten", 0, "lite"},
	{"vit", "vit", "none", 0, "half"},
	{"vit_dynamo", "vit", "none", 0, "half"},
	{"vit_fixed", "vit", "none", 1, "half"},
	{"resnet_half", "resnet", "flatten", 0, "imagenet"},
	{"vit_tokens", "vit", "class-token", 0, "half"},
	{"vit_torchvision", "vit", "none", 0, "half"},
	{"vitmae", "vit-mae", "class-token", 0, "mae"},
	{"clip_vision", "clip", "none", 0, "clip"},
	{"clip", "clip", "none", 0, "clip"},
}

// Of every family the head or decoder goes, and what is left gives PyTorch's vectors.
func TestStripEveryFamily(t *testing.T) {
	t.Parallel()
	want := expectations(t)
	for _, stock := range pictureStocks {
		t.Run(stock.name, func(t *testing.T) {
			t.Parallel()
			s := strip(t, StripConfig{SourceConfig: sourceConfig(stockFiles(), stock.name+".onnx")})
			if s.Inspection.Family != stock.family || s.Manifest.Output.Pooling != stock.pooling || s.Manifest.Input.MaxBatch != stock.maxBatch {
				t.Errorf("family %s, pooling %s, max batch %d; want %s, %s, %d", s.Inspection.Family, s.Manifest.Output.Pooling,
					s.Manifest.Input.MaxBatch, stock.family, stock.pooling, stock.maxBatch)
			}
			if p := presets()[stock.preset]; s.Manifest.Input.Mean != p.mean || s.Manifest.Input.Resize.Filter != p.filter {
				t.Errorf("mean %v, filter %s; want preset %s", s.Manifest.Input.Mean, s.Manifest.Input.Resize.Filter, stock.preset)
			}
			if !strings.Contains(strings.Join(s.Manifest.Origin.Assumptions, "\n"), "normalisation") {
				t.Errorf("assumptions %q do not state the normalisation", s.Manifest.Origin.Assumptions)
			}
			if int64(s.Bytes) >= s.Inspection.Bytes {
				t.Errorf("the encoder has %d bytes, the model %d: nothing was dropped", s.Bytes, s.Inspection.Bytes)
			}
			tolerance := 1e-4
			if stock.name == "resnet_half" {
				tolerance = 1e-2 // float16 has three digits
			}
			e := openStripped(t, s)
			for row, tensor := range waves(want[stock.name].Side) {
				got, err := e.Encode(t.Context(), tensor)
				if err != nil {
					t.Fatal(err)
				}
				if d := largestShare(want[stock.name].Vectors[row], got); len(got) != len(want[stock.name].Vectors[row]) || d > tolerance {
					t.Errorf("row %d: %d values, %.2g of the largest away from PyTorch's %d", row, len(got), d, len(want[stock.name].Vectors[row]))
				}
			}
		})
	}
}

// The original model, run whole with the chosen tensor as one more output, holds the same value.
func TestStrippedEqualsTheRuntimesIntermediate(t *testing.T) {
	t.Parallel()
	for _, stock := range pictureStocks {
		switch stock.name {
		case "vitmae": // its own encoder sees a quarter of the patches, drawn anew each time
			continue
		case "resnet_half": // takes and gives float16, which is converted
			continue
		}
		t.Run(stock.name, func(t *testing.T) {
			t.Parallel()
			s := strip(t, StripConfig{SourceConfig: sourceConfig(stockFiles(), stock.name+".onnx")})
			side := int64(s.Manifest.Input.Size)
			tensor := waves(int(side))[0]
			got, err := openStripped(t, s).Encode(t.Context(), tensor)
			if err != nil {
				t.Fatal(err)
			}
			picture := feed{name: "pixel_values", dims: []int64{1, 3, side, side}, floats: tensor}
			if stock.name == "lite_nhwc" {
				picture = feed{name: "images:0", dims: []int64{1, side, side, 3}, floats: channelLast(tensor)}
			}
			feeds := []feed{picture}
			if stock.name == "clip" {
				ids := []int64{62, 5, 9, 63}
				feeds = append(feeds, feed{name: "input_ids", dims: []int64{1, 4}, ints: ids}, feed{name: "attention_mask", dims: []int64{1, 4}, ints: []int64{1, 1, 1, 1}})
			}
			results, err := try(withOutput(t, stock.name+".onnx", s.Manifest.Origin.Tensor), feeds, []string{s.Manifest.Origin.Tensor}, 1)
			if err != nil {
				t.Fatal(err)
			}
			want := pooled(results[0].values, results[0].dims, graph.Pool(s.Manifest.Output.Pooling))
			if d := largestShare(want, got); d > 1e-6 {
				t.Errorf("the encoder is %.2g of the largest value away from the model's own %s", d, s.Manifest.Origin.Tensor)
			}
		})
	}
}

// withOutput is a stock file that answers one more tensor.
func withOutput(t *testing.T, file, tensor string) []byte {
	t.Helper()
	data, err := fs.ReadFile(stockFiles(), file)
	if err != nil {
		t.Fatal(err)
	}
	p := new(onnxpb.ModelProto)
	if err := proto.Unmarshal(data, p); err != nil {
		t.Fatal(err)
	}
	for _, out := range p.Graph.Output {
		if out.GetName() == tensor {
			return data
		}
	}
	p.Graph.Output = append(p.Graph.Output, &onnxpb.ValueInfoProto{Name: &tensor})
	if data, err = proto.Marshal(p); err != nil {
		t.Fatal(err)
	}
	return data
}

// channelLast brings [3, n] into [n, 3].
func channelLast(tensor []float32) []float32 {
	out := make([]float32, len(tensor))
	n := len(tensor) / 3
	for i := range n {
		for c := range 3 {
			out[3*i+c] = tensor[c*n+i]
		}
	}
	return out
}
