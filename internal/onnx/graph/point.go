package graph

import (
	"cmp"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
)

// Role is why a tensor may hold the embedding; lower is likelier to be wanted.
type Role int

const (
	// RoleEmbedding is an output that is an embedding already, by its name or by being compared.
	RoleEmbedding Role = iota
	// RoleDecoder feeds the decoder.
	RoleDecoder
	// RoleHead feeds the classification head.
	RoleHead
	// RoleTokens is an output that, by its name, holds a vector per token.
	RoleTokens
	// RoleOutput is any other output.
	RoleOutput
	// RoleEarlier lies before one of the others: a hidden layer's input, tokens, a feature map.
	RoleEarlier
)

// Point is a tensor at which an encoder may end.
type Point struct {
	Tensor string
	Role   Role
	Why    string
}

// maxOutputs bounds how many outputs are looked at; each costs a walk over the graph.
const maxOutputs = 64

// Points lists where the model may be cut so that a vector of the given input comes out, the
// likeliest first. Shapes are not considered; a file need not state them.
func (m *Model) Points(input string) []Point {
	a := newAnalysis(m, input)
	var points []Point
	outputs := m.Outputs()
	for _, out := range outputs[:min(len(outputs), maxOutputs)] {
		if a.live[out.Name] {
			points = append(points, a.outputPoints(out.Name)...)
		}
	}
	slices.SortStableFunc(points, func(p, q Point) int { return cmp.Compare(p.Role, q.Role) })
	return unique(points)
}

func unique(points []Point) []Point {
	seen := map[string]bool{}
	return slices.DeleteFunc(points, func(p Point) bool {
		twice := seen[p.Tensor]
		seen[p.Tensor] = true
		return twice
	})
}

// outputPoints says what one output is and walks back from it.
func (a *analysis) outputPoints(out string) []Point {
	if p, ok := a.decoderPoint(out); ok {
		return append([]Point{p}, a.earlier(p.Tensor)...)
	}
	h := a.findHead(out)
	switch role := nameRole(out); {
	case h.compared != "":
		return append([]Point{{h.compared, RoleEmbedding, "it is compared with another input's embedding"}}, a.earlier(h.compared)...)
	case role == RoleEmbedding && !a.tanhPooler(out):
		return append([]Point{{out, RoleEmbedding, "the output's name says that it is an embedding"}}, a.earlier(out)...)
	case role == RoleTokens:
		return []Point{{out, RoleTokens, "the output's name says that it holds tokens"}}
	case a.tanhPooler(out):
		return []Point{{out, RoleOutput, "output of a pooler with tanh, which is trained for next-sentence prediction or not at all"}}
	case h.feeds != "":
		return append([]Point{{h.feeds, RoleHead, "it feeds the last linear layer" + a.sizes(h.linear) + ", taken for the classification head"}}, a.earlier(h.feeds)...)
	}
	if p, ok := a.upsamplingPoint(out); ok {
		return append([]Point{p}, a.earlier(p.Tensor)...)
	}
	return append([]Point{{out, RoleOutput, "the output as it is: no head was found before it"}}, a.earlier(out)...)
}

// nameRole reads an output's name; RoleOutput if it says nothing.
func nameRole(name string) Role {
	name = strings.ToLower(name)
	for _, word := range []string{"last_hidden_state", "token_embedding", "hidden_state", "encoder_output"} {
		if strings.Contains(name, word) {
			return RoleTokens
		}
	}
	for _, word := range []string{"embed", "feature", "pooler", "pooled", "representation"} {
		if strings.Contains(name, word) {
			return RoleEmbedding
		}
	}
	return RoleOutput
}

// analysis walks over one model from one input.
type analysis struct {
	*Model
	live     map[string]bool // tensors whose values depend on the input's values, not only on its shape
	shuffles []int           // see findShuffles
}

func newAnalysis(m *Model, input string) *analysis {
	a := &analysis{Model: m, live: map[string]bool{input: true}}
	for _, n := range m.nodes {
		switch op := n.GetOpType(); {
		case op == "Shape", op == "Size", op == "ConstantOfShape", random(op):
			continue
		}
		if a.liveInput(n) == "" && !slices.ContainsFunc(uses(n), a.isLive) {
			continue
		}
		for _, out := range n.Output {
			a.live[out] = true
		}
	}
	a.shuffles = a.findShuffles()
	return a
}

func (a *analysis) isLive(tensor string) bool { return a.live[tensor] }

// maker is the node that makes a live tensor; nil for the input itself.
func (a *analysis) maker(tensor string) *onnxpb.NodeProto {
	at, made := a.producer[tensor]
	if !made || !a.live[tensor] {
		return nil
	}
	return a.nodes[at]
}

// liveInput is the first input of a node that is live; empty if none is.
func (a *analysis) liveInput(n *onnxpb.NodeProto) string {
	for _, name := range n.Input {
		if a.live[name] {
			return name
		}
	}
	return ""
}

func (a *analysis) liveInputs(n *onnxpb.NodeProto) []string {
	return slices.DeleteFunc(slices.Clone(n.Input), func(name string) bool { return !a.live[name] })
}

// isView: the output holds the input's values, in other dimensions or another type.
func isView(op string) bool {
	switch op {
	case "Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast":
		return true
	}
	return false
}

func isPooling(op string) bool {
	switch op {
	case "GlobalAveragePool", "AveragePool", "ReduceMean", "GlobalMaxPool":
		return true
	}
	return false
}

func isActivation(op string) bool {
	switch op {
	case "Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "HardSwish", "HardSigmoid", "Gelu", "Tanh", "Softplus":
		return true
	}
	return false
}

// isDense: a linear layer on vectors. The weight must not depend on an input.
func (a *analysis) isDense(n *onnxpb.NodeProto) bool {
	switch n.GetOpType() {
	case "Gemm", "MatMul", "FusedMatMul", "FusedGemm":
		return len(n.Input) >= 2 && a.live[n.Input[0]] && a.fixed[n.Input[1]]
	case "MatMulInteger", "QLinearMatMul", "QGemm":
		return a.liveInput(n) != ""
	}
	return false
}

// tanhPooler: BERT's and ViT's pooler_output, Tanh(Linear(first token)).
func (a *analysis) tanhPooler(out string) bool {
	n := a.maker(out)
	if n == nil || n.GetOpType() != "Tanh" {
		return false
	}
	for n = a.maker(a.liveInput(n)); n != nil && a.passes(n); {
		n = a.maker(a.liveInput(n))
	}
	return n != nil && a.isDense(n)
}
