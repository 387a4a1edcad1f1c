package graph

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Limits bounds what Read and Embed accept.
type Limits struct {
	MaxBytes  int64 // of the file, and of all weights once they are in one file
	MaxMemory int64 // bytes that decoding would allocate, estimated before it is done
}

// DefaultLimits returns the 2 GiB that protobuf itself allows, and 6 GiB.
func DefaultLimits() Limits { return Limits{MaxBytes: 1<<31 - 1, MaxMemory: 6 << 30} }

// Read decodes a model file. data is not kept.
//
// Errors: recsys.ErrExhausted for more than the limits, recsys.ErrCorrupt for what is not an
// ONNX model or contradicts itself, recsys.ErrUnimplemented for a model without main graph.
func Read(data []byte, lim Limits) (*Model, error) {
	if int64(len(data)) > lim.MaxBytes {
		return nil, fmt.Errorf("the model has %d bytes, want at most %d: %w", len(data), lim.MaxBytes, recsys.ErrExhausted)
	}
	if what := otherFormat(data); what != "" {
		return nil, fmt.Errorf("the file is no ONNX model but %s: %w", what, recsys.ErrCorrupt)
	}
	p := new(onnxpb.ModelProto)
	left := lim.MaxMemory
	if err := measure(p.ProtoReflect().Descriptor(), data, 0, &left); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(data, p); err != nil {
		return nil, notONNX(err)
	}
	if p.GetIrVersion() <= 0 || p.Graph == nil || len(p.Graph.Output) == 0 || len(p.OpsetImport) == 0 {
		return nil, notONNX(errors.New("version, operator sets, graph or outputs are missing"))
	}
	return newModel(p)
}

func notONNX(err error) error {
	return fmt.Errorf("the file is no ONNX model: %w: %w", recsys.ErrCorrupt, err)
}

// otherFormat names a file that is often mistaken for a model.
func otherFormat(data []byte) string {
	for _, known := range []struct {
		at          int
		magic, what string
	}{
		{0, "version https://git-lfs", "a Git LFS pointer; fetch the file that it stands for"},
		{0, "PK\x03\x04", "a zip archive, such as a PyTorch checkpoint; export it with models/export.py"},
		{0, "\x80\x02", "a Python pickle, such as a PyTorch checkpoint; export it with models/export.py"},
		{0, "\x89HDF\r\n", "an HDF5 file, such as a Keras model; convert it with tf2onnx"},
		{4, "TFL3", "a TensorFlow Lite model; convert it with tf2onnx"},
		{4, "ORTM", "ONNX Runtime's own format; take the .onnx file it was made from"},
		{0, "{", "JSON text"},
		{0, "<", "a web page"},
	} {
		if len(data) >= known.at && bytes.HasPrefix(data[known.at:], []byte(known.magic)) {
			return known.what
		}
	}
	return ""
}

const (
	// maxDepth bounds nesting; a graph in a node's attribute is three levels.
	maxDepth = 100
	// messageBytes is what a decoded message takes at least: the largest, TensorProto, 344.
	messageBytes = 400
)

// measure walks over encoded fields and takes from left what decoding them would allocate: a
// file of two-byte messages decodes to two hundred times its size.
func measure(d protoreflect.MessageDescriptor, data []byte, depth int, left *int64) error {
	if depth > maxDepth {
		return notONNX(fmt.Errorf("nested more than %d deep", maxDepth))
	}
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return notONNX(protowire.ParseError(n))
		}
		data = data[n:]
		if n = protowire.ConsumeFieldValue(number, kind, data); n < 0 {
			return notONNX(protowire.ParseError(n))
		}
		field := d.Fields().ByNumber(number)
		*left -= fieldBytes(field, kind, n)
		if *left < 0 {
			return fmt.Errorf("the model would take more memory than allowed to decode: %w", recsys.ErrExhausted)
		}
		if field != nil && field.Message() != nil && kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(data)
			if err := measure(field.Message(), inner, depth+1, left); err != nil {
				return err
			}
		}
		data = data[n:]
	}
	return nil
}

// fieldBytes estimates one field of n encoded bytes without what is nested in it.
func fieldBytes(field protoreflect.FieldDescriptor, kind protowire.Type, n int) int64 {
	switch {
	case field == nil || kind != protowire.BytesType:
		return int64(n) + 24
	case field.Message() != nil:
		return messageBytes
	case field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
		return int64(n) + 48
	}
	return 8 * int64(n) // packed numbers: one byte may become eight
}
