package graph

import (
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
)

// PictureInput is the name of the input that Extract puts in front of one that wants another
// order or type.
const PictureInput = "pixel_values"

// picture answers the new input and adds what leads from it to the source's.
func (x *extraction) picture(source Value) *onnxpb.ValueInfoProto {
	front := x.edits.Front
	side := int64(front.Side)
	var steps []step
	if front.BlueFirst {
		steps = append(steps, step{"Gather", []string{x.constant("blue_first", []int64{3}, 2, 1, 0)}, []*onnxpb.AttributeProto{intAttribute("axis", 1)}})
	}
	if front.ChannelLast {
		steps = append(steps, step{"Transpose", nil, []*onnxpb.AttributeProto{intsAttribute("perm", 0, 2, 3, 1)}})
	}
	if source.Type != onnxpb.TensorProto_FLOAT {
		steps = append(steps, step{"Cast", nil, []*onnxpb.AttributeProto{intAttribute("to", int64(source.Type))}})
	}
	x.taken[source.Name] = true
	tensor := source.Name
	if len(steps) > 0 {
		tensor = x.free(PictureInput)
	}
	info := &onnxpb.ValueInfoProto{Name: proto.String(tensor), Type: tensorType(onnxpb.TensorProto_FLOAT, []int64{x.edits.Batch, 3, side, side})}
	for i, s := range steps {
		out := source.Name
		if i < len(steps)-1 {
			out = x.free(tensor + "_" + s.op)
		}
		x.taken[out] = true
		x.front = append(x.front, node(s.op, append([]string{tensor}, s.inputs...), out, s.attributes...))
		tensor = out
	}
	return info
}

// freeReshape lets a Reshape to [1, …] keep whatever batch it is given.
func (x *extraction) freeReshape(n *onnxpb.NodeProto, clone func() *onnxpb.NodeProto) {
	if n.GetOpType() != "Reshape" || len(n.Input) != 2 || integer(n, "allowzero", 0) != 0 {
		return
	}
	shape := x.m.shapeWeight(n.Input[1])
	if len(shape) < 2 || shape[0] != 1 || x.m.fixed[n.Input[0]] {
		return
	}
	free := append([]int64{0}, shape[1:]...) // 0: as many as the input has
	clone().Input[1] = x.constant(n.Output[0]+"_shape", []int64{int64(len(free))}, free...)
}

// shapeWeight reads a vector of int64 that is stored in the file; nil if it is not.
func (m *Model) shapeWeight(tensor string) []int64 {
	w := m.weights[tensor]
	if w == nil {
		at, made := m.producer[tensor]
		if !made || m.nodes[at].GetOpType() != "Constant" {
			return nil
		}
		w = attribute(m.nodes[at], "value").GetT()
	}
	if w.GetDataType() != int32(onnxpb.TensorProto_INT64) || len(w.GetDims()) != 1 || external(w) {
		return nil
	}
	if raw := w.GetRawData(); len(raw) > 0 && len(raw)%8 == 0 {
		out := make([]int64, len(raw)/8)
		for i := range out {
			out[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		}
		return out
	}
	return slices.Clone(w.GetInt64Data())
}
