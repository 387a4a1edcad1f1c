package onnx

import (
	"context"
	"errors"
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
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// changed is a folder with one stock model that was changed.
func changed(t testing.TB, name string, change func(*onnxpb.ModelProto)) fstest.MapFS {
	t.Helper()
	data, err := fs.ReadFile(stockFiles(), name+".onnx")
	if err != nil {
		t.Fatal(err)
	}
	p := new(onnxpb.ModelProto)
	if err := proto.Unmarshal(data, p); err != nil {
		t.Fatal(err)
	}
	change(p)
	if data, err = proto.Marshal(p); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"model.onnx": {Data: data}}
}

// inputDims states other sizes for a model's picture; 0 leaves one open.
func inputDims(dims ...int64) func(*onnxpb.ModelProto) {
	return func(p *onnxpb.ModelProto) {
		shape := new(onnxpb.TensorShapeProto)
		for _, d := range dims {
			dim := new(onnxpb.TensorShapeProto_Dimension)
			if d > 0 {
				dim.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}
			}
			shape.Dim = append(shape.Dim, dim)
		}
		p.Graph.Input[0].Type.GetTensorType().Shape = shape
	}
}

// poison puts NaN into every weight of a name.
func poison(p *onnxpb.ModelProto) {
	for _, w := range p.Graph.Initializer {
		if w.GetDataType() == int32(onnxpb.TensorProto_FLOAT) {
			for i := 0; i+3 < len(w.RawData); i += 4 {
				copy(w.RawData[i:], []byte{0, 0, 0xc0, 0x7f})
			}
		}
	}
}

func outsideWeight(p *onnxpb.ModelProto) {
	w := p.Graph.Initializer[0]
	w.RawData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL.Enum()
	w.ExternalData = []*onnxpb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("weights.bin")}}
}

func TestStripRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files  fs.FS
		change func(*StripConfig)
		want   error
		says   string
	}{
		"a missing file":      {fstest.MapFS{}, nil, recsys.ErrNotFound, "model.onnx"},
		"a folder":            {fstest.MapFS{"model.onnx": {Mode: fs.ModeDir}}, nil, recsys.ErrInvalid, "no file"},
		"a text file":         {fstest.MapFS{"model.onnx": {Data: []byte("weights go here\n")}}, nil, recsys.ErrCorrupt, "no ONNX model"},
		"an LFS pointer":      {fstest.MapFS{"model.onnx": {Data: []byte("version https://git-lfs.github.com/spec/v1\n")}}, nil, recsys.ErrCorrupt, "LFS pointer"},
		"more than allowed":   {changed(t, "vgg", func(*onnxpb.ModelProto) {}), func(c *StripConfig) { c.Limits.MaxBytes = 1000 }, recsys.ErrExhausted, "at most 1000"},
		"more memory":         {changed(t, "vgg", func(*onnxpb.ModelProto) {}), func(c *StripConfig) { c.Limits.MaxMemory = 1000 }, recsys.ErrExhausted, "memory"},
		"missing weights":     {changed(t, "vgg", outsideWeight), nil, recsys.ErrNotFound, `"weights.bin"`},
		"an unknown operator": {changed(t, "vgg", func(p *onnxpb.ModelProto) { p.Graph.Node[0].OpType = proto.String("Convolve") }), nil, recsys.ErrUnimplemented, "Convolve"},
		"a foreign operator": {changed(t, "vgg", func(p *onnxpb.ModelProto) {
			p.Graph.Node[0].Domain = proto.String("com.example")
			p.OpsetImport = append(p.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String("com.example"), Version: proto.Int64(1)})
		}), nil, recsys.ErrUnimplemented, "operator"},
		"shapes that do not fit": {changed(t, "vit_dynamo", inputDims(0, 3, 40, 40)), nil, recsys.ErrIncompatible, ""},
		"an oblong picture":      {changed(t, "resnet", inputDims(0, 3, 32, 64)), nil, recsys.ErrIncompatible, "square"},
		"a grey picture":         {changed(t, "resnet", inputDims(0, 1, 32, 32)), nil, recsys.ErrIncompatible, "neither a picture"},
		"batches of eight":       {changed(t, "resnet", inputDims(8, 3, 32, 32)), nil, recsys.ErrIncompatible, "exactly 8"},
		"not numbers":            {changed(t, "resnet", poison), nil, recsys.ErrCorrupt, "not finite"},
		"a weight":               {stockFiles(), func(c *StripConfig) { c.File, c.Output = "vgg.onnx", "classifier.0.weight" }, recsys.ErrIncompatible, "classifier.0.weight"},
		"a missing tensor":       {stockFiles(), func(c *StripConfig) { c.File, c.Output = "vgg.onnx", "fc7" }, recsys.ErrNotFound, `"fc7", it could end at ["/classifier`},
		"a pooling that is not":  {stockFiles(), func(c *StripConfig) { c.File, c.Pooling = "vgg.onnx", "class-token" }, recsys.ErrInvalid, "class-token"},
		"another layout":         {stockFiles(), func(c *StripConfig) { c.File, c.Rule.Layout = "vgg.onnx", "NHWC" }, recsys.ErrInvalid, "NHWC"},
		"another size":           {stockFiles(), func(c *StripConfig) { c.File, c.Rule.Size = "vgg.onnx", 64 }, recsys.ErrInvalid, "size 64"},
		"a short side below":     {stockFiles(), func(c *StripConfig) { c.File, c.Rule.ShortSide = "vgg.onnx", 16 }, recsys.ErrInvalid, "crop"},
		"a broken picture":       {stockFiles(), func(c *StripConfig) { c.File, c.Picture = "vgg.onnx", []byte("no picture") }, recsys.ErrInvalid, "picture"},
		"a name with slashes":    {stockFiles(), func(c *StripConfig) { c.File, c.Name = "vgg.onnx", "../vgg" }, recsys.ErrInvalid, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := StripConfig{SourceConfig: sourceConfig(c.files, "model.onnx")}
			if c.change != nil {
				c.change(&config)
			}
			_, err := Strip(t.Context(), config)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v saying %s", err, c.want, c.says)
			}
		})
	}
}

// A tensor that is no vector for a picture: a list of batches, or a table over five dimensions.
func TestStripRefusesWhatIsNoVector(t *testing.T) {
	t.Parallel()
	files := changed(t, "vgg", func(p *onnxpb.ModelProto) {
		scores := p.Graph.Output[0].GetName()
		p.Graph.Node = append(p.Graph.Node,
			&onnxpb.NodeProto{OpType: proto.String("ReduceSum"), Input: []string{scores}, Output: []string{"sum"},
				Attribute: []*onnxpb.AttributeProto{{Name: proto.String("keepdims"), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(0)}}},
			&onnxpb.NodeProto{OpType: proto.String("ArgMax"), Input: []string{scores}, Output: []string{"best"}})
		p.Graph.Output = append(p.Graph.Output, &onnxpb.ValueInfoProto{Name: proto.String("sum")}, &onnxpb.ValueInfoProto{Name: proto.String("best")})
	})
	for _, tensor := range []string{"sum", "best"} {
		c := sourceConfig(files, "model.onnx")
		c.Output = tensor
		if _, err := Inspect(t.Context(), c); !errors.Is(err, recsys.ErrIncompatible) || !strings.Contains(err.Error(), tensor) {
			t.Errorf("%s: %v, want ErrIncompatible naming it", tensor, err)
		}
	}
}

// A picture must change its vector, and no other picture's.
func TestStripRefusesWhatDoesNotTellPicturesApart(t *testing.T) {
	t.Parallel()
	deaf := changed(t, "vgg", func(p *onnxpb.ModelProto) { // times zero
		for _, w := range p.Graph.Initializer {
			if w.GetName() == "features.0.weight" {
				clear(w.RawData)
			}
		}
	})
	if _, err := Strip(t.Context(), StripConfig{SourceConfig: sourceConfig(deaf, "model.onnx")}); !errors.Is(err, recsys.ErrIncompatible) || !strings.Contains(err.Error(), "same vector") {
		t.Errorf("got %v, want ErrIncompatible", err)
	}
}

// Sizes that a file leaves open are assumed, and said to be.
func TestStripAssumesOpenSizes(t *testing.T) {
	t.Parallel()
	s := strip(t, StripConfig{SourceConfig: sourceConfig(changed(t, "resnet", inputDims(0, 3, 0, 0)), "model.onnx")})
	if s.Manifest.Input.Size != 224 || !strings.Contains(strings.Join(s.Manifest.Origin.Assumptions, "\n"), "leaves it open") {
		t.Errorf("size %d, assumptions %q; want 224, assumed", s.Manifest.Input.Size, s.Manifest.Origin.Assumptions)
	}
	c := sourceConfig(changed(t, "resnet", inputDims(0, 3, 0, 0)), "model.onnx")
	c.Rule = RuleChange{Size: 64}
	if s = strip(t, StripConfig{SourceConfig: c}); s.Manifest.Input.Size != 64 {
		t.Errorf("size %d, want the 64 that was told", s.Manifest.Input.Size)
	}
}

// Blue first: the same model with its first weights turned round gives the same vectors.
func TestStripBlueFirst(t *testing.T) {
	t.Parallel()
	turned := changed(t, "vgg", func(p *onnxpb.ModelProto) {
		for _, w := range p.Graph.Initializer {
			if w.GetName() != "features.0.weight" {
				continue
			}
			plane := int(4 * w.Dims[2] * w.Dims[3])
			for o := 0; o < len(w.RawData); o += 3 * plane {
				filter := w.RawData[o : o+3*plane]
				first := append([]byte(nil), filter[:plane]...)
				copy(filter, filter[2*plane:])
				copy(filter[2*plane:], first)
			}
		}
	})
	c := sourceConfig(turned, "model.onnx")
	c.Rule = RuleChange{Channels: "BGR"}
	s := strip(t, StripConfig{SourceConfig: c})
	want := expectations(t)["vgg"]
	got, err := openStripped(t, s).Encode(t.Context(), waves(want.Side)[0])
	if err != nil {
		t.Fatal(err)
	}
	if d := largestShare(want.Vectors[0], got); d > 1e-4 {
		t.Errorf("%.2g of the largest value away", d)
	}
}

// Weights beside the model end up in the encoder's one file.
func TestStripGathersWeights(t *testing.T) {
	t.Parallel()
	var weights []byte
	files := changed(t, "vgg", func(p *onnxpb.ModelProto) {
		weights = append(weights, p.Graph.Initializer[0].RawData...)
		outsideWeight(p)
	})
	files["weights.bin"] = &fstest.MapFile{Data: weights}
	s := strip(t, StripConfig{SourceConfig: sourceConfig(files, "model.onnx")})
	want := expectations(t)["vgg"]
	got, err := openStripped(t, s).Encode(t.Context(), waves(want.Side)[1])
	if err != nil {
		t.Fatal(err)
	}
	if d := largestShare(want.Vectors[1], got); d > 1e-4 {
		t.Errorf("%.2g of the largest value away", d)
	}
}

func TestStripEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Strip(ctx, StripConfig{SourceConfig: sourceConfig(stockFiles(), "vgg.onnx")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestSave(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "encoders")
	s := strip(t, StripConfig{SourceConfig: sourceConfig(stockFiles(), "vgg.onnx")})
	if created, err := s.Save(folder); err != nil || !created {
		t.Fatalf("saved: %v, %v", created, err)
	}
	if created, err := s.Save(folder); err != nil || created {
		t.Errorf("saved again: %v, %v; want nothing done", created, err)
	}
	other := strip(t, StripConfig{SourceConfig: sourceConfig(stockFiles(), "resnet.onnx"), Name: "vgg"})
	if _, err := other.Save(folder); !errors.Is(err, recsys.ErrConflict) {
		t.Errorf("another encoder of that name: %v, want ErrConflict", err)
	}
	listed, err := ListEncoders(os.DirFS(folder))
	if err != nil || len(listed) != 1 || listed[0].Name != "vgg" {
		t.Errorf("listed %v, %v", listed, err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 2 {
		t.Errorf("files %v, %v; want the model and its manifest", left, err)
	}
	// A model file that has been changed since is not taken for the one it was.
	if err := os.WriteFile(filepath.Join(folder, "vgg.onnx"), other.model, 0o600); err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Library, config.Files, config.Manifest = os.Getenv("VITRINE_ONNXRUNTIME_LIB"), os.DirFS(folder), ManifestFile("vgg")
	if _, err := Open(t.Context(), config); !errors.Is(err, recsys.ErrCorrupt) || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("changed file: %v, want ErrCorrupt about its digest", err)
	}
	if created, err := s.Save(folder); err != nil || !created {
		t.Errorf("saved over the changed file: %v, %v; want it written anew", created, err)
	}
}

func TestParseRuleChange(t *testing.T) {
	t.Parallel()
	c, err := ParseRuleChange("clip,size=336,short_side=336,filter=bilinear,channels=bgr,mean=1/2/3,std=4")
	if err != nil {
		t.Fatal(err)
	}
	if c.Preset != "clip" || c.Size != 336 || c.ShortSide != 336 || c.Filter != bilinear || c.Channels != "BGR" || *c.Mean != [3]float32{1, 2, 3} || *c.Std != [3]float32{4, 4, 4} {
		t.Errorf("got %+v", c)
	}
	for _, text := range []string{"imagnet", "size", "clip,size=big", "mean=1/2", "clip,clip", "filter=nearest", "channels=XYZ", "layout=HW", "colour=red"} {
		if _, err := ParseRuleChange(text); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", text, err)
		}
	}
}

func TestKnownFiles(t *testing.T) {
	t.Parallel()
	known, err := KnownFiles()
	if err != nil || len(known) < 10 {
		t.Fatalf("%d known files, %v; want at least 10", len(known), err)
	}
	for _, k := range known {
		if len(k.SHA256) != 64 || k.Bytes < 1<<20 || k.Licence == "" || k.Source == "" || encoderName(k.File) != k.Name || k.Rule.validate() != nil {
			t.Errorf("%s is not whole: %+v", k.Name, k)
		}
	}
}

// Every pooling that graph adds is computed by its plain twin as well.
func TestPoolings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, tensor string
		pools        []graph.Pool
	}{
		{"vit_tokens.onnx", "last_hidden_state", []graph.Pool{graph.PoolClass, graph.PoolPatches, graph.PoolTokens}},
		{"vit_dynamo.onnx", "layer_norm_2", []graph.Pool{graph.PoolClass, graph.PoolPatches, graph.PoolTokens}},
		{"vgg.onnx", "/features/features.8/MaxPool_output_0", []graph.Pool{graph.PoolMap, graph.PoolFlatten}},
	} {
		for _, pool := range c.pools {
			source := sourceConfig(stockFiles(), c.file)
			source.Output, source.Pooling = c.tensor, string(pool)
			s := strip(t, StripConfig{SourceConfig: source})
			if s.Manifest.Output.Pooling != string(pool) || s.Proof.Difference > 1e-5 || math.IsNaN(s.Proof.Difference) {
				t.Errorf("%s, %s: pooling %s, difference %.2g from the twin", c.file, pool, s.Manifest.Output.Pooling, s.Proof.Difference)
			}
		}
	}
}

// A file with a known digest brings its own rule; what the caller says goes before it.
func TestKnownRule(t *testing.T) {
	t.Parallel()
	known, err := knownBySum("f20805a3ecccaa88647bbab4ad011ff2412a9838485ea844de0fcbce349820b9")
	if err != nil || known == nil || known.Name != "vgg16-7" {
		t.Fatalf("vgg16-7 by its digest: %+v, %v", known, err)
	}
	if unknown, err := knownBySum(strings.Repeat("0", 64)); err != nil || unknown != nil {
		t.Errorf("another digest: %+v, %v", unknown, err)
	}
	if got := known.Rule.under(RuleChange{ShortSide: 300}); got.Preset != "imagenet" || got.ShortSide != 300 || got.Size != 224 {
		t.Errorf("under a short side: %+v", got)
	}
	if got := known.Rule.under(RuleChange{Preset: "unit"}); got != (RuleChange{Preset: "unit"}) {
		t.Errorf("under another preset: %+v, want nothing of the known rule", got)
	}
}
