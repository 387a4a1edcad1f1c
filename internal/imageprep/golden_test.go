package imageprep

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goldenRule is the default encoder's; bytesRule leaves channel values as they are.
func goldenRule() Rule {
	return Rule{ShortSide: 256, Crop: 224, Mean: [3]float32{127, 127, 127}, Std: [3]float32{128, 128, 128}}
}

func bytesRule() Rule {
	return Rule{ShortSide: 256, Crop: 224, Std: [3]float32{1, 1, 1}}
}

type figures struct {
	File     string     `json:"file"`
	Width    int        `json:"width"`
	Height   int        `json:"height"`
	Sum      float64    `json:"tensor_sum"`
	Corner   [3]float32 `json:"tensor_corner"`
	SHA256   string     `json:"crop_sha256"`
	Bilinear string     `json:"bilinear_sha256"`
	Squares  string     `json:"squares_base64"`
}

func readFigures(t *testing.T) []figures {
	t.Helper()
	var file struct{ Pictures []figures }
	if err := json.Unmarshal(readGolden(t, "figures.json"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Pictures) < 50 {
		t.Fatalf("figures.json has %d pictures, want at least 50", len(file.Pictures))
	}
	return file.Pictures
}

func readGolden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decodeGolden(t testing.TB, name string) *Picture {
	t.Helper()
	p, err := Decode(readGolden(t, name), DefaultLimits())
	if err != nil {
		t.Fatalf("Decode(%s): %v", name, err)
	}
	return p
}

// lossy formats: their decoders may round differently from Pillow's.
func lossy(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".jpg" || slices.Contains([]string{"webp_lossy.webp", "extra_alpha_lossy.webp", "extra_odd_lossy.webp"}, name)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, want := range readFigures(t) {
		t.Run(want.File, func(t *testing.T) {
			t.Parallel()
			p := decodeGolden(t, want.File)
			if got := [2]int{p.Width(), p.Height()}; got != [2]int{want.Width, want.Height} {
				t.Fatalf("upright size %v, want %d × %d", got, want.Width, want.Height)
			}
			crop := toBytes(p.Tensor(bytesRule()))
			compareSquares(t, want, crop)
			tensor := p.Tensor(goldenRule())
			if lossy(want.File) {
				return
			}
			digest := sha256.Sum256(crop)
			if got := hex.EncodeToString(digest[:]); got != want.SHA256 {
				t.Errorf("crop has SHA-256 %s, want Pillow's %s", got, want.SHA256)
			}
			bilinear := bytesRule()
			bilinear.Filter = Bilinear
			digest = sha256.Sum256(toBytes(p.Tensor(bilinear)))
			if got := hex.EncodeToString(digest[:]); got != want.Bilinear {
				t.Errorf("crop by bilinear has SHA-256 %s, want Pillow's %s", got, want.Bilinear)
			}
			var sum float64
			for _, v := range tensor {
				sum += float64(v)
			}
			if math.Abs(sum-want.Sum) > 1e-6*math.Abs(want.Sum) {
				t.Errorf("tensor sum %v, want %v", sum, want.Sum)
			}
			plane := len(tensor) / 3
			corner := [3]float32{tensor[0], tensor[plane], tensor[2*plane]}
			if diff := cmp.Diff(want.Corner, corner); diff != "" {
				t.Errorf("tensor corner (-want +got):\n%s", diff)
			}
		})
	}
}

func toBytes(tensor []float32) []byte {
	b := make([]byte, len(tensor))
	for i, v := range tensor {
		b[i] = byte(v)
	}
	return b
}

// compareSquares holds the mean of every 16 × 16 square to one level of Pillow's.
func compareSquares(t *testing.T, want figures, crop []byte) {
	t.Helper()
	const side, squares = 224, 14
	golden, err := base64.StdEncoding.DecodeString(want.Squares)
	if err != nil || len(golden) != 3*squares*squares {
		t.Fatalf("squares: %v, %d values", err, len(golden))
	}
	sums := make([]int, len(golden))
	for i, v := range crop {
		c, y, x := i/(side*side), i/side%side, i%side
		sums[(c*squares+y/16)*squares+x/16] += int(v)
	}
	worst := 0.0
	for i, sum := range sums {
		worst = max(worst, math.Abs(float64(sum)/256-float64(golden[i])))
	}
	// Half a level is the rounding of the golden means themselves.
	if worst > 1.5 {
		t.Errorf("a 16 × 16 square differs from Pillow's by %.2f levels, want at most 1.5", worst)
	}
}

func TestAppendRow(t *testing.T) {
	t.Parallel()
	p := decodeGolden(t, "extra_exif6.png")
	row := p.AppendRow([]byte{1, 2}, p.Height()-1)
	if len(row) != 2+3*p.Width() {
		t.Fatalf("row has %d bytes, want %d", len(row), 2+3*p.Width())
	}
	want := triples(p.rows, p.Height()-1, 0, p.Width())
	if diff := cmp.Diff(append([]byte{1, 2}, want...), row); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}
