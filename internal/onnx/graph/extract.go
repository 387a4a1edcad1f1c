package graph

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Tap is a vector, or a tensor, to be answered.
type Tap struct {
	Tensor string // of the source model
	Pool   Pool
	Half   bool   // the tensor is not float32 and is converted
	Name   string // of the output; empty keeps what there is, the tensor's own where nothing is added
	Dims   int64  // length of the vector, where it is known
}

// Front says how the source model wants its picture. The extracted model always takes float32
// [batch, 3, side, side], red first.
type Front struct {
	Input       string
	ChannelLast bool // [batch, side, side, 3]
	BlueFirst   bool
	Side        int
}

// Edits is what Extract does to a model.
type Edits struct {
	Front Front // zero for a model without pictures
	Taps  []Tap
	// Unmask lets a masked autoencoder's encoder see every patch, in order.
	Unmask bool
	// Batch is the batch size that the picture input declares; 0 is any.
	Batch int64
	// FreeReshape changes Reshape to [1, …] into one that keeps whatever batch it is given. It is
	// for the caller to check that the result is right.
	FreeReshape bool
	// Mask is the attention mask's input, for PoolMasked.
	Mask string
}

// Extract answers a new model that computes the taps and nothing else. Weights are shared with m.
//
// Errors: recsys.ErrNotFound for a tensor that is not in the model, recsys.ErrIncompatible for
// one that needs another input than the front's.
func (m *Model) Extract(e Edits) (*Model, error) {
	for _, tap := range e.Taps {
		if !m.Has(tap.Tensor) {
			return nil, fmt.Errorf("the model has no tensor %q: %w", tap.Tensor, recsys.ErrNotFound)
		}
	}
	x := &extraction{m: m, edits: e, rename: map[string]string{}, taken: map[string]bool{}}
	if e.Unmask {
		a := newAnalysis(m, e.Front.Input)
		for _, at := range a.maskings() {
			x.rename[m.nodes[at].Output[0]] = m.nodes[at].Input[0]
		}
	}
	kept, err := x.prune()
	if err != nil {
		return nil, err
	}
	return newModel(kept)
}

// extraction collects the parts of a new model.
type extraction struct {
	m       *Model
	edits   Edits
	rename  map[string]string // tensors whose readers are given another one instead
	taken   map[string]bool   // names in use
	front   []*onnxpb.NodeProto
	body    []*onnxpb.NodeProto
	back    []*onnxpb.NodeProto
	weights []*onnxpb.TensorProto // those that are new
}

// prune keeps the nodes that the taps need and assembles the model.
func (x *extraction) prune() (*onnxpb.ModelProto, error) {
	needed := x.needed()
	reads := map[string]bool{}
	for at, n := range x.m.nodes {
		if needed[at] {
			x.keep(n, reads)
		}
	}
	for _, tap := range x.edits.Taps {
		reads[x.resolve(tap.Tensor)] = true
	}
	if x.edits.Mask != "" {
		reads[x.edits.Mask] = true
	}
	inputs, err := x.inputs(reads)
	if err != nil {
		return nil, err
	}
	var outputs []*onnxpb.ValueInfoProto
	for _, tap := range x.edits.Taps {
		outputs = append(outputs, x.tap(tap))
	}
	g := x.m.proto.Graph
	kept := &onnxpb.GraphProto{
		Name: g.Name, Input: inputs, Output: outputs, Node: slices.Concat(x.front, x.body, x.back),
		Initializer: x.weights,
	}
	for _, w := range g.Initializer {
		if reads[w.GetName()] {
			kept.Initializer = append(kept.Initializer, w)
		}
	}
	for _, w := range g.SparseInitializer {
		if reads[w.GetValues().GetName()] {
			kept.SparseInitializer = append(kept.SparseInitializer, w)
		}
	}
	return x.assemble(kept), nil
}

// assemble puts the graph into a model like the source's. Since version 4 of the format weights
// need not be inputs as well.
func (x *extraction) assemble(g *onnxpb.GraphProto) *onnxpb.ModelProto {
	p := x.m.proto
	out := &onnxpb.ModelProto{
		IrVersion: proto.Int64(max(p.GetIrVersion(), 4)), OpsetImport: p.OpsetImport, ProducerName: p.ProducerName,
		ProducerVersion: p.ProducerVersion, Domain: p.Domain, ModelVersion: p.ModelVersion, MetadataProps: p.MetadataProps, Graph: g,
	}
	local := map[string]bool{}
	for _, f := range p.Functions {
		local[f.GetDomain()+"::"+f.GetName()] = true
	}
	if slices.ContainsFunc(g.Node, func(n *onnxpb.NodeProto) bool { return local[n.GetDomain()+"::"+n.GetOpType()] }) {
		out.Functions = p.Functions
	}
	return out
}

// resolve follows renamings.
func (x *extraction) resolve(tensor string) string {
	for {
		next, renamed := x.rename[tensor]
		if !renamed {
			return tensor
		}
		tensor = next
	}
}

// needed marks nodes, with masked gathers bypassed.
func (x *extraction) needed() []bool {
	m := x.m
	needed := make([]bool, len(m.nodes))
	mark := func(tensor string) {
		if at, made := m.producer[x.resolve(tensor)]; made {
			needed[at] = true
		}
	}
	for _, tap := range x.edits.Taps {
		mark(tap.Tensor)
	}
	for at := len(m.nodes) - 1; at >= 0; at-- {
		if needed[at] {
			for _, name := range uses(m.nodes[at]) {
				mark(name)
			}
		}
	}
	return needed
}

// keep adds a node, with what it reads renamed. A node of inner graphs is kept as it is: what
// it captures is not renamed.
func (x *extraction) keep(n *onnxpb.NodeProto, reads map[string]bool) {
	changed := n
	clone := func() *onnxpb.NodeProto {
		if changed == n {
			changed = &onnxpb.NodeProto{Input: slices.Clone(n.Input), Output: n.Output, Name: n.Name, OpType: n.OpType,
				Domain: n.Domain, Overload: n.Overload, Attribute: slices.Clone(n.Attribute)}
		}
		return changed
	}
	for i, name := range n.Input {
		if to := x.resolve(name); to != name {
			clone().Input[i] = to
		}
	}
	if x.edits.FreeReshape {
		x.freeReshape(n, clone)
	}
	for _, name := range uses(changed) {
		reads[name] = true
	}
	for _, name := range changed.Output {
		x.taken[name] = true
	}
	x.body = append(x.body, changed)
}

// inputs are the source's inputs that are still read, the picture's replaced by the front's.
func (x *extraction) inputs(reads map[string]bool) ([]*onnxpb.ValueInfoProto, error) {
	front := x.edits.Front
	var out []*onnxpb.ValueInfoProto
	var extra []string
	for _, info := range x.m.proto.Graph.Input {
		name := info.GetName()
		switch {
		case x.m.weights[name] != nil || x.m.sparse[name] || !reads[name]:
		case front.Input == "":
			out = append(out, info)
			x.taken[name] = true
		case name == front.Input:
			out = append(out, x.picture(value(info)))
		default:
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		return nil, fmt.Errorf("the tensor needs the inputs %q beside the picture %q: %w", extra, front.Input, recsys.ErrIncompatible)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the tensors %q do not depend on the input %q: %w", slices.Collect(x.tapNames()), front.Input, recsys.ErrIncompatible)
	}
	return out, nil
}

func (x *extraction) tapNames() func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, tap := range x.edits.Taps {
			if !yield(tap.Tensor) {
				return
			}
		}
	}
}
