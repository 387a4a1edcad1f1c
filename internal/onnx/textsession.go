package onnx

import (
	"errors"
	"fmt"
	"runtime"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// textModel computes vectors of tokens; behind it is the runtime, or a stand-in in tests.
type textModel interface {
	// run writes a vector for each row to out, one after another. It is safe for concurrent use.
	run(in textBatch, out []float32) error
	// close frees the model; no run may be going on.
	close() error
}

// textSession is a model of texts in ONNX Runtime.
type textSession struct {
	session *ort.DynamicAdvancedSession
	inputs  int // 2, or 3 with token types
	dims    int64
}

// newTextSession loads a model and checks that it has the manifest's tensors.
//
// Errors: as newSession.
func newTextSession(m Manifest, data []byte, intraOpThreads int) (*textSession, error) {
	inputs, outputs, err := ort.GetInputOutputInfoWithONNXData(data)
	if err != nil {
		return nil, fmt.Errorf("read encoder model %s: %w", m.File, loadError(err))
	}
	names := m.Text.inputs()
	if len(inputs) != len(names) {
		return nil, fmt.Errorf("encoder model %s has %d inputs, want %q: %w", m.File, len(inputs), names, recsys.ErrIncompatible)
	}
	for _, name := range names {
		if err := checkTokens(inputs, name); err != nil {
			return nil, err
		}
	}
	if err := checkTensor(outputs, m.Output.Tensor, 0, []int64{int64(m.Output.Dims)}); err != nil {
		return nil, err
	}
	s, err := openSession(data, names, []string{m.Output.Tensor}, intraOpThreads)
	if err != nil {
		return nil, fmt.Errorf("open encoder model %s: %w", m.File, err)
	}
	return &textSession{session: s, inputs: len(names), dims: int64(m.Output.Dims)}, nil
}

// checkTokens finds an input of whole numbers with any batch and any number of tokens.
func checkTokens(found []ort.InputOutputInfo, name string) error {
	for _, info := range found {
		if info.Name != name {
			continue
		}
		if shape := info.Dimensions; info.DataType != ort.TensorElementDataTypeInt64 || len(shape) != 2 || shape[0] > 0 || shape[1] > 0 {
			return fmt.Errorf("encoder tensor %q is %v, want int64 with any batch of any number of tokens: %w", name, &info, recsys.ErrIncompatible)
		}
		return nil
	}
	return fmt.Errorf("encoder tensor %q is not in the model, which has %v: %w", name, found, recsys.ErrIncompatible)
}

func (s *textSession) run(in textBatch, out []float32) (err error) {
	shape := ort.NewShape(int64(in.rows), int64(in.tokens))
	rows := [][]int64{in.ids, in.mask, make([]int64, len(in.ids))}[:s.inputs]
	var pins runtime.Pinner // the runtime keeps the addresses until the tensors are destroyed
	defer pins.Unpin()
	pins.Pin(&out[0])
	inputs := make([]ort.Value, len(rows))
	for i, row := range rows {
		pins.Pin(&row[0])
		if inputs[i], err = ort.NewTensor(shape, row); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, inputs[i].Destroy()) }()
	}
	output, err := ort.NewTensor(ort.NewShape(int64(in.rows), s.dims), out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, output.Destroy()) }()
	return s.session.Run(inputs, []ort.Value{output})
}

func (s *textSession) close() error { return s.session.Destroy() }
