package graph

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Weights of a large model may lie in files beside it (ONNX docs/ExternalData.md).

func external(w *onnxpb.TensorProto) bool {
	return w.GetDataLocation() == onnxpb.TensorProto_EXTERNAL
}

// part is where in which file a weight lies.
type part struct {
	weight *onnxpb.TensorProto
	file   string
	offset int64
	bytes  int64
}

// Embed reads the weights that lie in other files into the model. files is the folder of the
// model file; the model must not be in use.
//
// Errors: recsys.ErrNotFound naming every file that is missing, recsys.ErrCorrupt for a place
// outside a file or the folder, recsys.ErrExhausted beyond what one file can hold.
func (m *Model) Embed(files fs.FS, lim Limits) error {
	var parts []part
	total := int64(proto.Size(m.proto))
	for _, w := range m.proto.Graph.Initializer {
		if !external(w) {
			continue
		}
		p, err := locate(w)
		if err != nil {
			return err
		}
		if total += p.bytes; total > lim.MaxBytes {
			return fmt.Errorf("the model and its weights in other files have more than %d bytes: %w", lim.MaxBytes, recsys.ErrExhausted)
		}
		parts = append(parts, p)
	}
	if err := present(files, parts); err != nil {
		return err
	}
	for _, p := range parts {
		if err := p.read(files); err != nil {
			return err
		}
	}
	return nil
}

// locate reads and checks where a weight lies.
func locate(w *onnxpb.TensorProto) (part, error) {
	p := part{weight: w}
	wants, ok := tensorBytes(w)
	if !ok {
		return p, contradiction("the weight %q in another file has type %d and dimensions %v", w.GetName(), w.GetDataType(), w.GetDims())
	}
	p.bytes = wants
	for _, entry := range w.ExternalData {
		var err error
		switch entry.GetKey() {
		case "location":
			p.file = path.Clean(entry.GetValue())
		case "offset":
			p.offset, err = strconv.ParseInt(entry.GetValue(), 10, 64)
		case "length":
			var length int64
			if length, err = strconv.ParseInt(entry.GetValue(), 10, 64); err == nil && length != wants {
				err = fmt.Errorf("want %d", wants)
			}
		}
		if err != nil {
			return p, contradiction("the weight %q has %s %q (%v)", w.GetName(), entry.GetKey(), entry.GetValue(), err)
		}
	}
	if !fs.ValidPath(p.file) || p.file == "." || p.offset < 0 {
		return p, contradiction("the weight %q lies at %d in %q, want a file in the model's folder", w.GetName(), p.offset, p.file)
	}
	return p, nil
}

// present names all files that are missing at once.
func present(files fs.FS, parts []part) error {
	var missing []string
	for _, p := range parts {
		_, err := fs.Stat(files, p.file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, p.file)
		case err != nil:
			return fmt.Errorf("weights in %s: %w: %w", p.file, recsys.ErrUnavailable, err)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("weights lie in files that are missing beside the model: %q: %w", slices.Compact(missing), recsys.ErrNotFound)
}

func (p part) read(files fs.FS) (err error) {
	f, err := files.Open(p.file)
	if err != nil {
		return fmt.Errorf("weights in %s: %w: %w", p.file, recsys.ErrUnavailable, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("weights in %s: %w: %w", p.file, recsys.ErrUnavailable, err)
	}
	at, ok := f.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return contradiction("the weight %q lies in %q, which is no file", p.weight.GetName(), p.file)
	}
	if p.offset > info.Size() || p.bytes > info.Size()-p.offset {
		return contradiction("the weight %q wants %d bytes at %d of %s, which has %d", p.weight.GetName(), p.bytes, p.offset, p.file, info.Size())
	}
	data := make([]byte, p.bytes)
	if _, err := at.ReadAt(data, p.offset); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("weights in %s: %w: %w", p.file, recsys.ErrUnavailable, err)
	}
	p.weight.RawData, p.weight.ExternalData, p.weight.DataLocation = data, nil, nil
	return nil
}

// tensorBytes is the size of a weight's values; false for strings, unknown types and dimensions
// that overflow. Types below one byte are packed.
func tensorBytes(w *onnxpb.TensorProto) (int64, bool) {
	bits := int64(0)
	switch onnxpb.TensorProto_DataType(w.GetDataType()) {
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_INT32, onnxpb.TensorProto_UINT32:
		bits = 32
	case onnxpb.TensorProto_DOUBLE, onnxpb.TensorProto_INT64, onnxpb.TensorProto_UINT64:
		bits = 64
	case onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_BFLOAT16, onnxpb.TensorProto_INT16, onnxpb.TensorProto_UINT16:
		bits = 16
	case onnxpb.TensorProto_INT8, onnxpb.TensorProto_UINT8, onnxpb.TensorProto_BOOL:
		bits = 8
	case onnxpb.TensorProto_INT4, onnxpb.TensorProto_UINT4:
		bits = 4
	default:
		return 0, false
	}
	count := int64(1)
	for _, d := range w.GetDims() {
		if d < 0 || d > 0 && count > (1<<50)/d {
			return 0, false
		}
		count *= d
	}
	return (count*bits + 7) / 8, true
}
