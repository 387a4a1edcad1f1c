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

// model computes vectors; behind it is the runtime, or a stand-in in tests.
type model interface {
	// run reads n tensors from in and writes n vectors to out, one after another. It is
	// safe for concurrent use.
	run(in, out []float32, n int) error
	// close frees the model; no run may be going on.
	close() error
}

// session is a model in ONNX Runtime. A session may run many times at once.
type session struct {
	session *ort.DynamicAdvancedSession
	side    int64
	dims    int64
}

// newSession loads a model and checks that it has the manifest's tensors: a wrong name would
// be noticed only by the first run, a wrong shape not even then.
//
// Errors: recsys.ErrIncompatible for what does not fit the manifest, recsys.ErrCorrupt for
// what the runtime cannot read.
func newSession(m Manifest, data []byte, intraOpThreads int) (*session, error) {
	if err := checkTensors(m, data); err != nil {
		return nil, err
	}
	s, err := openSession(data, []string{m.Input.Tensor}, []string{m.Output.Tensor}, intraOpThreads)
	if err != nil {
		return nil, fmt.Errorf("open encoder model %s: %w", m.File, err)
	}
	return &session{session: s, side: int64(m.Input.Size), dims: int64(m.Output.Dims)}, nil
}

// openSession loads a model.
//
// Errors: recsys.ErrUnimplemented for operators that the runtime does not have, recsys.ErrCorrupt
// for anything else it cannot load.
func openSession(data []byte, inputs, outputs []string, intraOpThreads int) (_ *ort.DynamicAdvancedSession, err error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("encoder options: %w", err)
	}
	defer func() { err = errors.Join(err, options.Destroy()) }()
	err = errors.Join(
		options.SetIntraOpNumThreads(intraOpThreads),
		options.SetInterOpNumThreads(1),
		// Threads that wait by spinning burn the processors that decode pictures.
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		options.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	)
	if err != nil {
		return nil, fmt.Errorf("encoder options: %w", err)
	}
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(data, inputs, outputs, options)
	if err != nil {
		return nil, loadError(err)
	}
	return s, nil
}

// loadError tells a model with operators that the runtime lacks from a broken one. The binding
// passes on text alone.
func loadError(err error) error {
	for _, sign := range []string{"not a registered function/op", "Could not find an implementation", "NOT_IMPLEMENTED", "No Op registered", "is not registered for"} {
		if strings.Contains(err.Error(), sign) {
			return fmt.Errorf("the model needs an operator that this ONNX Runtime does not have: %w: %w", recsys.ErrUnimplemented, err)
		}
	}
	return fmt.Errorf("%w: %w", recsys.ErrCorrupt, err)
}

// checkTensors compares names, types and shapes; the first dimension must be free, since
// batches differ in size, unless the manifest promises no more than one.
func checkTensors(m Manifest, data []byte) error {
	inputs, outputs, err := ort.GetInputOutputInfoWithONNXData(data)
	if err != nil {
		return fmt.Errorf("read encoder model %s: %w", m.File, loadError(err))
	}
	if len(inputs) != 1 {
		return fmt.Errorf("encoder model %s has %d inputs, want 1: %w", m.File, len(inputs), recsys.ErrIncompatible)
	}
	side := int64(m.Input.Size)
	return errors.Join(
		checkTensor(inputs, m.Input.Tensor, m.Input.MaxBatch, []int64{3, side, side}),
		checkTensor(outputs, m.Output.Tensor, m.Input.MaxBatch, []int64{int64(m.Output.Dims)}),
	)
}

// checkTensor finds a tensor and compares all dimensions but the first, which may be maxBatch
// where that is not 0. −1 is a dimension the model leaves open, which fits.
func checkTensor(found []ort.InputOutputInfo, name string, maxBatch int, want []int64) error {
	for _, info := range found {
		if info.Name != name {
			continue
		}
		shape := []int64(info.Dimensions)
		if info.DataType != ort.TensorElementDataTypeFloat || len(shape) != 1+len(want) || shape[0] > 0 && shape[0] != int64(maxBatch) ||
			!slices.EqualFunc(shape[1:], want, func(has, want int64) bool { return has == want || has < 0 }) {
			return fmt.Errorf("encoder tensor %q is %v, want float32 with any batch of %v: %w", name, &info, want, recsys.ErrIncompatible)
		}
		return nil
	}
	return fmt.Errorf("encoder tensor %q is not in the model, which has %v: %w", name, found, recsys.ErrIncompatible)
}

func (s *session) run(in, out []float32, n int) (err error) {
	// The runtime keeps these addresses until the tensors are destroyed.
	var pins runtime.Pinner
	defer pins.Unpin()
	pins.Pin(&in[0])
	pins.Pin(&out[0])
	input, err := ort.NewTensor(ort.NewShape(int64(n), 3, s.side, s.side), in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, input.Destroy()) }()
	output, err := ort.NewTensor(ort.NewShape(int64(n), s.dims), out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, output.Destroy()) }()
	return s.session.Run([]ort.Value{input}, []ort.Value{output})
}

func (s *session) close() error { return s.session.Destroy() }
