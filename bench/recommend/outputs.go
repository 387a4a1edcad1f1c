package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
	"github.com/seed-473295a7/vitrine/models"
)

// outputs are raw encoder outputs that a simulated catalogue is mixed from.
type outputs struct {
	name    string // in the report
	encoder string
	dims    int
	rows    []float32
	groups  []int // of each row: pictures of one group look alike
}

// mixing is how far a simulated output lies from a real one, as a share of the way between two
// others: it keeps clusters and covariance, which it stretches by 1 + 2·.25².
const mixing = .25

func findOutputs(cache string) (*outputs, error) {
	manifest, err := onnx.LoadManifest(models.Files, models.DefaultManifest)
	if err != nil {
		return nil, err
	}
	o := &outputs{encoder: manifest.Name + "@" + manifest.Version, dims: manifest.Output.Dims}
	files, err := filepath.Glob(filepath.Join(cache, "ann-pictures-*.f32"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if o.rows, err = vecmath.FromBytes(content); err != nil || len(o.rows)%o.dims != 0 || len(o.rows) == 0 {
			return nil, fmt.Errorf("%s holds no rows of %d: %w", file, o.dims, err)
		}
		o.name = fmt.Sprintf("mixed from those of %d pictures", o.len())
	}
	if o.rows == nil {
		o.synthesize(5000)
		o.name = "NOT REAL: drawn from clusters; run go run ./bench/ann --shapes pictures first"
	}
	o.group()
	return o, nil
}

func (o *outputs) len() int            { return len(o.rows) / o.dims }
func (o *outputs) row(i int) []float32 { return o.rows[i*o.dims : (i+1)*o.dims] }

// synthesize draws rows around 200 centres, both with a spectrum that falls as 1/k over 256
// directions.
func (o *outputs) synthesize(n int) {
	r := rand.New(rand.NewPCG(7, 7))
	centres := make([][]float32, 200)
	draw := func(scale float64) []float32 {
		v := make([]float32, o.dims)
		for k := range min(256, o.dims) {
			v[k] = float32(scale * r.NormFloat64() / math.Sqrt(float64(k+1)))
		}
		return v
	}
	for i := range centres {
		centres[i] = draw(1)
	}
	for range n {
		v := draw(.7)
		vecmath.Axpy(1, centres[r.IntN(len(centres))], v)
		o.rows = append(o.rows, v...)
	}
}

// group puts rows together that lie on the same side of six random planes through the mean.
func (o *outputs) group() {
	const planes = 6
	r := rand.New(rand.NewPCG(8, 8))
	mean := make([]float32, o.dims)
	for i := range o.len() {
		vecmath.Axpy(1/float32(o.len()), o.row(i), mean)
	}
	o.groups = make([]int, o.len())
	for plane := range planes {
		normal := make([]float32, o.dims)
		for k := range normal {
			normal[k] = float32(r.NormFloat64())
		}
		middle := vecmath.Dot(normal, mean)
		for i := range o.groups {
			if vecmath.Dot(normal, o.row(i)) > middle {
				o.groups[i] |= 1 << plane
			}
		}
	}
}

// mix is a new output near a row.
func (o *outputs) mix(r *rand.Rand, row int) []float32 {
	out := make([]float32, o.dims)
	copy(out, o.row(row))
	vecmath.Axpy(mixing, o.row(r.IntN(o.len())), out)
	vecmath.Axpy(-mixing, o.row(r.IntN(o.len())), out)
	return out
}
