package graph

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Model is a decoded model file with its main graph indexed. It is not changed after Read but
// by Embed; without that it is safe for concurrent use.
type Model struct {
	proto    *onnxpb.ModelProto
	nodes    []*onnxpb.NodeProto            // in topological order
	producer map[string]int                 // tensor → the node that makes it
	weights  map[string]*onnxpb.TensorProto // initializers by name
	known    map[string]bool                // what no node makes: weights, inputs, and "" for an optional input left out
	sparse   map[string]bool                // names of sparse initializers
	fixed    map[string]bool                // tensors that depend on no input: weights and what is computed from them
}

// Value is a tensor at the border of a model.
type Value struct {
	Name string
	Type onnxpb.TensorProto_DataType
	Dims []int64 // −1 where the size is free; nil if the file does not state a shape
}

func newModel(p *onnxpb.ModelProto) (*Model, error) {
	g := p.Graph
	m := &Model{proto: p, weights: make(map[string]*onnxpb.TensorProto, len(g.Initializer)), sparse: map[string]bool{}}
	for _, w := range g.Initializer {
		if w.GetName() == "" || m.weights[w.GetName()] != nil {
			return nil, contradiction("the weight %q is nameless or there twice", w.GetName())
		}
		m.weights[w.GetName()] = w
	}
	for _, w := range g.SparseInitializer {
		m.sparse[w.GetValues().GetName()] = true
	}
	m.known = m.given()
	if err := m.indexNodes(g.Node); err != nil {
		return nil, err
	}
	for _, value := range g.Output {
		if _, made := m.producer[value.GetName()]; !made && !m.known[value.GetName()] {
			return nil, contradiction("nothing makes the output %q", value.GetName())
		}
	}
	m.markFixed()
	return m, nil
}

func contradiction(format string, args ...any) error {
	return fmt.Errorf("the model contradicts itself: "+format+": %w", append(args, recsys.ErrCorrupt)...)
}

// given are the tensors that no node makes.
func (m *Model) given() map[string]bool {
	known := map[string]bool{"": true} // an optional input that is left out
	for name := range m.weights {
		known[name] = true
	}
	for name := range m.sparse {
		known[name] = true
	}
	for _, value := range m.proto.Graph.Input {
		known[value.GetName()] = true
	}
	return known
}

// indexNodes finds every tensor's maker and brings the nodes into an order in which each comes
// after what it reads, keeping the file's order where that is one already.
func (m *Model) indexNodes(nodes []*onnxpb.NodeProto) error {
	maker := make(map[string]int, len(nodes))
	for i, n := range nodes {
		for _, out := range n.Output {
			if _, twice := maker[out]; twice && out != "" {
				return contradiction("two nodes make the tensor %q", out)
			}
			maker[out] = i
		}
	}
	order, err := sorted(nodes, maker, m.known)
	if err != nil {
		return err
	}
	m.nodes = make([]*onnxpb.NodeProto, len(nodes))
	m.producer = make(map[string]int, len(nodes))
	for at, i := range order {
		m.nodes[at] = nodes[i]
		for _, out := range nodes[i].Output {
			if out != "" {
				m.producer[out] = at
			}
		}
	}
	return nil
}

// sorted is a depth-first topological order without recursion, whose depth a file would decide.
func sorted(nodes []*onnxpb.NodeProto, maker map[string]int, given map[string]bool) ([]int, error) {
	const fresh, open, done = 0, 1, 2
	state := make([]byte, len(nodes))
	order := make([]int, 0, len(nodes))
	reads := make([][]string, len(nodes))
	var stack []int
	for root := range nodes {
		if state[root] != fresh {
			continue
		}
		stack = append(stack, root)
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			if state[i] == fresh {
				state[i], reads[i] = open, uses(nodes[i])
			}
			next := -1
			for next < 0 && len(reads[i]) > 0 {
				name := reads[i][0]
				reads[i] = reads[i][1:]
				from, made := maker[name]
				switch {
				case given[name]:
				case !made:
					return nil, contradiction("node %q (%s) reads the tensor %q, which nothing makes", nodes[i].GetName(), nodes[i].GetOpType(), name)
				case state[from] == open:
					return nil, contradiction("the tensor %q depends on itself", name)
				case state[from] == fresh:
					next = from
				}
			}
			if next >= 0 {
				stack = append(stack, next)
				continue
			}
			state[i] = done
			order = append(order, i)
			stack = stack[:len(stack)-1]
		}
	}
	return order, nil
}

// uses lists the tensors a node reads, those that its inner graphs take from outside included.
func uses(n *onnxpb.NodeProto) []string {
	if !hasGraphs(n) {
		return slices.Clone(n.Input)
	}
	return append(slices.Clone(n.Input), captured(n)...)
}

func hasGraphs(n *onnxpb.NodeProto) bool {
	return slices.ContainsFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool { return a.G != nil || len(a.Graphs) > 0 })
}

// captured lists what inner graphs read and do not make themselves. Depth is bounded by Read.
func captured(n *onnxpb.NodeProto) []string {
	var out []string
	for _, a := range n.Attribute {
		for _, g := range append(slices.Clone(a.Graphs), a.G) {
			if g == nil {
				continue
			}
			made := map[string]bool{"": true}
			for _, value := range g.Input {
				made[value.GetName()] = true
			}
			for _, w := range g.Initializer {
				made[w.GetName()] = true
			}
			for _, inner := range g.Node {
				for _, name := range inner.Output {
					made[name] = true
				}
			}
			wants := func(names []string) {
				for _, name := range names {
					if !made[name] {
						out = append(out, name)
					}
				}
			}
			for _, inner := range g.Node {
				wants(uses(inner))
			}
			for _, value := range g.Output {
				wants([]string{value.GetName()})
			}
		}
	}
	return out
}

// markFixed finds what depends on no input: it can be a weight although it is not stored as one,
// such as a float16 tensor behind a Cast.
func (m *Model) markFixed() {
	m.fixed = map[string]bool{"": true}
	for name := range m.weights {
		m.fixed[name] = true
	}
	for name := range m.sparse {
		m.fixed[name] = true
	}
	for _, n := range m.nodes {
		if random(n.GetOpType()) || slices.ContainsFunc(uses(n), func(name string) bool { return !m.fixed[name] }) {
			continue
		}
		for _, out := range n.Output {
			m.fixed[out] = true
		}
	}
}

func random(op string) bool {
	switch op {
	case "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli":
		return true
	}
	return false
}

// Inputs are the tensors a caller gives; initializers that old files list as inputs are none.
func (m *Model) Inputs() []Value {
	var out []Value
	for _, info := range m.proto.Graph.Input {
		if m.weights[info.GetName()] == nil && !m.sparse[info.GetName()] {
			out = append(out, value(info))
		}
	}
	return out
}

// Outputs are the tensors the model answers.
func (m *Model) Outputs() []Value {
	out := make([]Value, len(m.proto.Graph.Output))
	for i, info := range m.proto.Graph.Output {
		out[i] = value(info)
	}
	return out
}

func value(info *onnxpb.ValueInfoProto) Value {
	t := info.GetType().GetTensorType()
	v := Value{Name: info.GetName(), Type: onnxpb.TensorProto_DataType(t.GetElemType())}
	if t.GetShape() == nil {
		return v
	}
	v.Dims = make([]int64, len(t.Shape.Dim))
	for i, d := range t.Shape.Dim {
		v.Dims[i] = -1
		if d.GetDimValue() > 0 {
			v.Dims[i] = d.GetDimValue()
		}
	}
	return v
}

// Opset is the version of ONNX's own operators; 1 where the file does not say.
func (m *Model) Opset() int64 {
	version := int64(1)
	for _, set := range m.proto.OpsetImport {
		if set.GetDomain() == "" || set.GetDomain() == "ai.onnx" {
			version = max(version, set.GetVersion())
		}
	}
	return version
}

// Producer names the tool that wrote the file, with its version.
func (m *Model) Producer() string {
	if v := m.proto.GetProducerVersion(); v != "" {
		return m.proto.GetProducerName() + " " + v
	}
	return m.proto.GetProducerName()
}

// Nodes is the number of nodes in the main graph.
func (m *Model) Nodes() int { return len(m.nodes) }

// Has reports whether the main graph has a tensor of that name.
func (m *Model) Has(tensor string) bool {
	if _, made := m.producer[tensor]; made {
		return true
	}
	return tensor != "" && m.known[tensor]
}

// Marshal encodes the model. Equal models give equal bytes.
//
// Errors: recsys.ErrExhausted beyond the 2 GiB that a file can have.
func (m *Model) Marshal() ([]byte, error) {
	if size := int64(proto.Size(m.proto)); size > DefaultLimits().MaxBytes {
		return nil, fmt.Errorf("the model has %d bytes, a file can have %d: %w", size, DefaultLimits().MaxBytes, recsys.ErrExhausted)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m.proto)
}
