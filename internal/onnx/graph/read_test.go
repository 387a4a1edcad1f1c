package graph

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	tiny := func(change func(*onnxpb.ModelProto)) []byte { return altered(t, "lite_nhwc", change) }
	loop := tiny(func(p *onnxpb.ModelProto) {
		p.Graph.Node[1].Input[0] = p.Graph.Node[len(p.Graph.Node)-1].Output[0]
	})
	for name, c := range map[string]struct {
		data []byte
		want error
		says string
	}{
		"nothing":            {nil, recsys.ErrCorrupt, "no ONNX model"},
		"a picture":          {[]byte("\x89PNG\r\n\x1a\n0000IHDR"), recsys.ErrCorrupt, "no ONNX model"},
		"an LFS pointer":     {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"), recsys.ErrCorrupt, "LFS pointer"},
		"a checkpoint":       {[]byte("PK\x03\x04archive/data.pkl"), recsys.ErrCorrupt, "export.py"},
		"a TFLite model":     {[]byte("\x1c\x00\x00\x00TFL3"), recsys.ErrCorrupt, "TensorFlow Lite"},
		"a page":             {[]byte("<!DOCTYPE html>"), recsys.ErrCorrupt, "web page"},
		"half a model":       {stockFile(t, "vgg")[:20000], recsys.ErrCorrupt, "no ONNX model"},
		"no graph":           {tiny(func(p *onnxpb.ModelProto) { p.Graph = nil }), recsys.ErrCorrupt, "missing"},
		"no outputs":         {tiny(func(p *onnxpb.ModelProto) { p.Graph.Output = nil }), recsys.ErrCorrupt, "missing"},
		"output of nothing":  {tiny(func(p *onnxpb.ModelProto) { p.Graph.Output[0].Name = proto.String("x") }), recsys.ErrCorrupt, `output "x"`},
		"reads of nothing":   {tiny(func(p *onnxpb.ModelProto) { p.Graph.Node[1].Input[0] = "y" }), recsys.ErrCorrupt, `"y", which nothing makes`},
		"made twice":         {tiny(func(p *onnxpb.ModelProto) { p.Graph.Node[2].Output[0] = p.Graph.Node[1].Output[0] }), recsys.ErrCorrupt, "two nodes make"},
		"a loop":             {loop, recsys.ErrCorrupt, "depends on itself"},
		"a weight twice":     {tiny(func(p *onnxpb.ModelProto) { p.Graph.Initializer[1].Name = p.Graph.Initializer[0].Name }), recsys.ErrCorrupt, "there twice"},
		"nested very deeply": {nested(200), recsys.ErrCorrupt, "deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(c.data, DefaultLimits())
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v saying %s", err, c.want, c.says)
			}
		})
	}
}

// nested is a graph in an attribute of a node of a graph …
func nested(depth int) []byte {
	g := new(onnxpb.GraphProto)
	for range depth {
		g = &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{{Attribute: []*onnxpb.AttributeProto{{G: g}}}}}
	}
	data, err := proto.Marshal(&onnxpb.ModelProto{IrVersion: proto.Int64(8), Graph: g})
	if err != nil {
		panic(err)
	}
	return data
}

// A file of empty messages would decode to two hundred times its size.
func TestReadBoundsMemory(t *testing.T) { // not parallel: it counts allocations
	g := slices.Concat(slices.Repeat([][]byte{{0x0a, 0x00}}, 1<<20)...) // node {}
	data := append([]byte{0x08, 0x08, 0x3a, 0x80, 0x80, 0x80, 0x01}, g...)
	lim := Limits{MaxBytes: 1 << 30, MaxMemory: 64 << 20}
	allocated := testing.AllocsPerRun(1, func() {
		if _, err := Read(data, lim); !errors.Is(err, recsys.ErrExhausted) {
			t.Errorf("got %v, want ErrExhausted", err)
		}
	})
	if allocated > 1000 {
		t.Errorf("%v allocations before the refusal", allocated)
	}
	if _, err := Read(data, Limits{MaxBytes: 1000, MaxMemory: 1 << 40}); !errors.Is(err, recsys.ErrExhausted) {
		t.Errorf("too many bytes: %v, want ErrExhausted", err)
	}
}

// Old files list weights as inputs too, and some tools write nodes in any order.
func TestReadOldAndUnsorted(t *testing.T) {
	t.Parallel()
	m := read(t, altered(t, "vgg", func(p *onnxpb.ModelProto) {
		p.IrVersion = proto.Int64(3)
		for _, w := range p.Graph.Initializer {
			p.Graph.Input = append(p.Graph.Input, &onnxpb.ValueInfoProto{Name: w.Name, Type: tensorType(onnxpb.TensorProto_FLOAT, w.Dims)})
		}
		slices.Reverse(p.Graph.Node)
	}))
	if got := m.Inputs(); len(got) != 1 || got[0].Name != "pixel_values" {
		t.Errorf("inputs %v, want the picture alone", got)
	}
	part := encoderOf(t, m)
	if part.proto.GetIrVersion() < 4 {
		t.Errorf("version %d of the format still wants weights as inputs", part.proto.GetIrVersion())
	}
	if m.Points("pixel_values")[0].Tensor != "/classifier/classifier.4/Relu_output_0" {
		t.Errorf("points %v", m.Points("pixel_values"))
	}
}

// outside moves the weights of a stock file into two files beside it.
func outside(t *testing.T) ([]byte, fstest.MapFS) {
	files := fstest.MapFS{}
	data := altered(t, "vgg", func(p *onnxpb.ModelProto) {
		for i, w := range p.Graph.Initializer {
			name := fmt.Sprintf("weights.%d", i%2)
			if files[name] == nil {
				files[name] = &fstest.MapFile{Data: []byte("head")}
			}
			entry := func(k, v string) *onnxpb.StringStringEntryProto {
				return &onnxpb.StringStringEntryProto{Key: proto.String(k), Value: proto.String(v)}
			}
			w.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
			w.ExternalData = []*onnxpb.StringStringEntryProto{entry("location", name),
				entry("offset", fmt.Sprint(len(files[name].Data))), entry("length", fmt.Sprint(len(w.RawData)))}
			files[name].Data = append(files[name].Data, w.RawData...)
			w.RawData = nil
		}
	})
	return data, files
}

func TestEmbed(t *testing.T) {
	t.Parallel()
	data, files := outside(t)
	m := read(t, data)
	if err := m.Embed(files, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	for name, w := range stock(t, "vgg").weights {
		if !slices.Equal(w.RawData, m.weights[name].RawData) || external(m.weights[name]) {
			t.Errorf("weight %s differs", name)
		}
	}
}

func TestEmbedRefuses(t *testing.T) {
	t.Parallel()
	set := func(key, value string) func(*Model, fstest.MapFS) {
		return func(m *Model, _ fstest.MapFS) {
			for _, entry := range m.proto.Graph.Initializer[0].ExternalData {
				if entry.GetKey() == key {
					entry.Value = proto.String(value)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*Model, fstest.MapFS)
		want   error
		says   string
	}{
		"missing parts":   {func(_ *Model, f fstest.MapFS) { delete(f, "weights.0"); delete(f, "weights.1") }, recsys.ErrNotFound, `["weights.0" "weights.1"]`},
		"cut short":       {func(_ *Model, f fstest.MapFS) { f["weights.1"].Data = f["weights.1"].Data[:50] }, recsys.ErrCorrupt, "which has 50"},
		"outside":         {set("location", "../../etc/passwd"), recsys.ErrCorrupt, "model's folder"},
		"absolute":        {set("location", "/etc/passwd"), recsys.ErrCorrupt, "model's folder"},
		"negative offset": {set("offset", "-8"), recsys.ErrCorrupt, "at -8"},
		"huge offset":     {set("offset", "9223372036854775807"), recsys.ErrCorrupt, "wants"},
		"no number":       {set("offset", "here"), recsys.ErrCorrupt, "here"},
		"wrong length":    {set("length", "3"), recsys.ErrCorrupt, "length"},
		"a folder":        {func(_ *Model, f fstest.MapFS) { f["weights.1"] = &fstest.MapFile{Mode: fs.ModeDir} }, recsys.ErrCorrupt, "no file"},
		"huge weight":     {func(m *Model, _ fstest.MapFS) { m.proto.Graph.Initializer[0].Dims = []int64{1 << 60, 1 << 60} }, recsys.ErrCorrupt, "dimensions"},
		"large weight": {func(m *Model, _ fstest.MapFS) {
			m.proto.Graph.Initializer[0].Dims = []int64{1 << 40}
			m.proto.Graph.Initializer[0].ExternalData = m.proto.Graph.Initializer[0].ExternalData[:2] // no length
		}, recsys.ErrExhausted, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, files := outside(t)
			m := read(t, data)
			c.change(m, files)
			if err := m.Embed(files, DefaultLimits()); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v saying %s", err, c.want, c.says)
			}
		})
	}
}

// Whatever Read accepts can be looked at and taken apart, and what comes out can be read again.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"lite_nhwc", "vgg", "vit_dynamo"} {
		f.Add(stockFile(f, name))
	}
	f.Add(nested(5))
	f.Add([]byte("not a model"))
	lim := Limits{MaxBytes: 1 << 20, MaxMemory: 64 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read(data, lim)
		if err != nil {
			if !errors.Is(err, recsys.ErrCorrupt) && !errors.Is(err, recsys.ErrExhausted) {
				t.Fatalf("got %v, want ErrCorrupt or ErrExhausted", err)
			}
			return
		}
		for _, v := range m.Inputs() {
			m.Family(v.Name)
			m.Side(v)
			m.Normalises(v.Name)
			for _, p := range m.Points(v.Name) {
				takeApart(t, m, v.Name, p.Tensor)
			}
		}
		m.TextInputs()
		if err := m.Embed(fstest.MapFS{}, lim); err != nil && !errors.Is(err, recsys.ErrNotFound) && !errors.Is(err, recsys.ErrCorrupt) && !errors.Is(err, recsys.ErrExhausted) {
			t.Fatalf("Embed: %v", err)
		}
	})
}

func takeApart(t *testing.T, m *Model, input, tensor string) {
	for _, pool := range []Pool{PoolNone, PoolPatches, PoolMap} {
		part, err := m.Extract(Edits{Front: Front{Input: input, Side: 8, ChannelLast: true, BlueFirst: true}, Unmask: true, FreeReshape: true,
			Taps: []Tap{{Tensor: tensor, Pool: pool, Half: true, Dims: 4}}})
		if err != nil {
			if !errors.Is(err, recsys.ErrIncompatible) && !errors.Is(err, recsys.ErrCorrupt) && !errors.Is(err, recsys.ErrNotFound) {
				t.Fatalf("Extract: %v", err)
			}
			continue
		}
		data, err := part.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(data, DefaultLimits()); err != nil {
			t.Fatalf("what was extracted cannot be read: %v", err)
		}
	}
}
