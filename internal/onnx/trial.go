package onnx

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// feed is what a model is given in a trial: floats or whole numbers.
type feed struct {
	name   string
	dims   []int64
	floats []float32
	ints   []int64
}

// tried is what a tensor was in a trial.
type tried struct {
	dims   []int64
	values []float32
}

// try runs a model once and tells what its outputs are, in order.
//
// Errors: those of openSession; recsys.ErrIncompatible if the run fails.
func try(data []byte, feeds []feed, outputs []string, threads int) (_ []tried, err error) {
	names := make([]string, len(feeds))
	for i, f := range feeds {
		names[i] = f.name
	}
	session, err := openSession(data, names, outputs, threads)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Destroy()) }()
	var pins runtime.Pinner // the runtime keeps the addresses of inputs until they are destroyed
	defer pins.Unpin()
	inputs := make([]ort.Value, len(feeds))
	for i, f := range feeds {
		if inputs[i], err = f.value(&pins); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, inputs[i].Destroy()) }()
	}
	values := make([]ort.Value, len(outputs))
	if err := session.Run(inputs, values); err != nil {
		return nil, fmt.Errorf("the model cannot be run: %w: %w", recsys.ErrIncompatible, err)
	}
	results := make([]tried, len(values))
	for i, v := range values {
		results[i] = look(v)
		err = errors.Join(err, v.Destroy())
	}
	return results, err
}

// tryEach is try for outputs some of which may be single numbers, which the binding cannot hold;
// nothing is told of those.
func tryEach(data []byte, feeds []feed, outputs []string) ([]tried, error) {
	results, err := try(data, feeds, outputs, trialThreads())
	if err == nil || !strings.Contains(err.Error(), "shape has no dimensions") {
		return results, err
	}
	results = make([]tried, len(outputs))
	for i, out := range outputs {
		one, err := try(data, feeds, []string{out}, trialThreads())
		switch {
		case err == nil:
			results[i] = one[0]
		case !strings.Contains(err.Error(), "shape has no dimensions"):
			return nil, err
		}
	}
	return results, nil
}

// value is a feed as the runtime takes it.
func (f feed) value(pins *runtime.Pinner) (ort.Value, error) {
	if f.ints != nil {
		pins.Pin(&f.ints[0])
		return ort.NewTensor(ort.NewShape(f.dims...), f.ints)
	}
	pins.Pin(&f.floats[0])
	return ort.NewTensor(ort.NewShape(f.dims...), f.floats)
}

// look copies what an output holds; nothing if it is not float32.
func look(v ort.Value) tried {
	if t, ok := v.(*ort.Tensor[float32]); ok {
		return tried{dims: t.GetShape().Clone(), values: slices.Clone(t.GetData())}
	}
	return tried{}
}

// outputTypes tells which outputs of a model are float32, and which are floats of another size.
//
// Errors: those of openSession.
func outputTypes(data []byte) (floats, halves map[string]bool, err error) {
	_, outputs, err := ort.GetInputOutputInfoWithONNXData(data)
	if err != nil {
		return nil, nil, loadError(err)
	}
	floats, halves = map[string]bool{}, map[string]bool{}
	for _, info := range outputs {
		switch info.DataType {
		case ort.TensorElementDataTypeFloat:
			floats[info.Name] = true
		case ort.TensorElementDataTypeFloat16, ort.TensorElementDataTypeBFloat16, ort.TensorElementDataTypeDouble:
			halves[info.Name] = true
		}
	}
	return floats, halves, nil
}
