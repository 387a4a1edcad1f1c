package onnx

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// open gives the default encoder on the library that the command would use.
func open(t testing.TB) *Encoder {
	t.Helper()
	config := DefaultConfig()
	config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
	e, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

type embedding struct {
	File   string `json:"file"`
	Base64 string `json:"float32le_base64"`
}

// vector is the golden embedding.
func (g embedding) vector(t testing.TB) []float32 {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(g.Base64)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}

// picture is the golden picture's bytes.
func (g embedding) picture(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "imageprep", "testdata", "golden", g.File))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func goldens(t testing.TB) []embedding {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "embeddings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Pictures []embedding }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Pictures) < 50 {
		t.Fatalf("embeddings.json has %d pictures, want at least 50", len(file.Pictures))
	}
	return file.Pictures
}

func encode(t testing.TB, e *Encoder, picture []byte) []float32 {
	t.Helper()
	tensor, err := e.Tensor(picture)
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.Encode(t.Context(), tensor)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

// kind groups golden pictures by how closely decoders must agree.
func kind(file string) (name string, floor float64) {
	switch ext := filepath.Ext(file); {
	case ext == ".jpg":
		return "JPEG", .998
	case strings.Contains(file, "lossy"):
		return "WebP, lossy", .99
	case ext == ".webp":
		return "WebP, lossless", .999
	default:
		return strings.ToUpper(ext[1:]), .999
	}
}

// The whole path, from the bytes of a picture to its vector, agrees with Pillow and Python's
// onnxruntime.
func TestGoldenEmbeddings(t *testing.T) {
	t.Parallel()
	e := open(t)
	worst := map[string]float64{}
	for _, golden := range goldens(t) {
		want := golden.vector(t)
		got := encode(t, e, golden.picture(t))
		if len(got) != e.Dims() || len(want) != e.Dims() {
			t.Fatalf("%s: %d values, golden %d, want %d", golden.File, len(got), len(want), e.Dims())
		}
		name, floor := kind(golden.File)
		c := cosine(got, want)
		if before, seen := worst[name]; !seen || c < before {
			worst[name] = c
		}
		if c < floor {
			t.Errorf("%s: cosine %.6f, want at least %v", golden.File, c, floor)
		}
		if ratio := norm(got) / norm(want); math.Abs(ratio-1) > .01 {
			t.Errorf("%s: length %.4f of the golden one, want within 1 %%", golden.File, ratio)
		}
	}
	for name, c := range worst {
		t.Logf("%-14s smallest cosine %.7f", name, c)
	}
}

func norm(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// A tensor without any picture: the published check value of the model file.
func TestKnownAnswer(t *testing.T) {
	t.Parallel()
	e := open(t)
	tensor := make([]float32, e.rule.Len())
	for i := range tensor {
		tensor[i] = float32(math.Sin(.001 * float64(len(tensor)+i)))
	}
	got, err := e.Encode(t.Context(), tensor)
	if err != nil {
		t.Fatal(err)
	}
	if n := norm(got); math.Abs(n-16.387489) > .002 || got[0] != 0 || math.Abs(float64(got[5])-.015753) > .0005 {
		t.Errorf("length %v, sixth value %v; want 16.387489, .015753", n, got[5])
	}
}

// Whatever is run together with a call, its vector is the same but for float noise.
func TestVectorsDoNotDependOnTheBatch(t *testing.T) {
	t.Parallel()
	e := open(t)
	var tensors, alone [][]float32
	for _, golden := range goldens(t)[:12] {
		tensor, err := e.Tensor(golden.picture(t))
		if err != nil {
			t.Fatal(err)
		}
		v, err := e.Encode(t.Context(), tensor)
		if err != nil {
			t.Fatal(err)
		}
		tensors, alone = append(tensors, tensor), append(alone, v)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for k := range 6 {
				i := (5*g + k) % len(tensors)
				got, err := e.Encode(t.Context(), tensors[i])
				if err != nil {
					t.Error(err)
					return
				}
				if c := cosine(got, alone[i]); c < .999999 {
					t.Errorf("tensor %d: cosine %.8f to its vector when run alone", i, c)
				}
			}
		})
	}
	wg.Wait()
}

func TestTwoEncodersShareTheRuntime(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			e := open(t)
			if got := encode(t, e, goldens(t)[0].picture(t)); len(got) != e.Dims() {
				t.Errorf("%d values, want %d", len(got), e.Dims())
			}
		})
	}
	wg.Wait()
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	e := open(t)
	if _, err := e.Encode(t.Context(), make([]float32, 3)); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("short tensor: %v, want ErrInvalid", err)
	}
	tensor := make([]float32, e.rule.Len())
	for i := range tensor {
		tensor[i] = float32(math.NaN())
	}
	if v, err := e.Encode(t.Context(), tensor); err == nil && !finite(v) {
		t.Errorf("tensor of NaN: a vector that is not finite")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Encode(canceled, tensor); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v, want context.Canceled", err)
	}
	var field *recsys.FieldError
	if _, err := e.Tensor([]byte("no picture")); !errors.As(err, &field) || field.Field != "" {
		t.Errorf("no picture: %v, want a FieldError without field", err)
	}
	if e.Name() != "effnet-lite0@1" || e.Dims() != 1280 {
		t.Errorf("name %s, dims %d", e.Name(), e.Dims())
	}
}

func BenchmarkEncode(b *testing.B) {
	e := open(b)
	tensor, err := e.Tensor(goldens(b)[0].picture(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(b.Context(), tensor); err != nil {
			b.Fatal(err)
		}
	}
}
