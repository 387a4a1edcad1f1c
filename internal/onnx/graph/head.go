package graph

import (
	"fmt"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
)

// head is what a walk back from an output has found.
type head struct {
	linear   *onnxpb.NodeProto // the last linear layer
	feeds    string            // the tensor that feeds it
	compared string            // or: the embedding that is compared with another input's
}

// findHead walks back from an output through what may follow a classifier's last linear layer:
// bias, softmax, changes of dimensions, and for a layer of 1 × 1 convolutions pooling.
func (a *analysis) findHead(out string) head {
	var pooled, probabilities, bent bool
	for tensor := out; ; {
		n := a.maker(tensor)
		if n == nil {
			return head{}
		}
		op := n.GetOpType()
		switch {
		case a.isDense(n):
			if bent || pooled {
				return head{} // features, or tokens that are pooled afterwards
			}
			return head{linear: n, feeds: a.peel(a.liveInput(n))}
		case a.isPointwise(n):
			input := a.liveInput(n)
			if !a.isPooled(input) && !(pooled && (probabilities || a.countsClasses(n))) {
				return head{}
			}
			return head{linear: n, feeds: a.peel(input)}
		case op == "MatMul" || op == "Gemm":
			return head{compared: a.comparedOperand(n)}
		case a.twins(n):
			tensor = n.Input[0]
			continue
		case op == "Softmax", op == "LogSoftmax", op == "Sigmoid":
			probabilities = true
		case isPooling(op):
			pooled = true
		case isActivation(op):
			bent = true
		case !a.passes(n):
			return head{}
		}
		tensor = a.liveInput(n)
	}
}

// passes: what a walk back goes through unseen.
func (a *analysis) passes(n *onnxpb.NodeProto) bool {
	switch op := n.GetOpType(); op {
	case "Add", "Sub", "Mul", "Div":
		return len(a.liveInputs(n)) == 1
	case "Transpose", "QuantizeLinear", "DequantizeLinear", "ArgMax", "TopK":
		return true
	default:
		return isView(op)
	}
}

// twins: a sum of two heads, as distilled transformers have it.
func (a *analysis) twins(n *onnxpb.NodeProto) bool {
	if n.GetOpType() != "Add" || len(a.liveInputs(n)) != 2 {
		return false
	}
	return !slices.ContainsFunc(n.Input, func(name string) bool {
		maker := a.maker(name)
		for maker != nil && a.passes(maker) {
			maker = a.maker(a.liveInput(maker))
		}
		return maker == nil || !a.isDense(maker)
	})
}

// isPointwise: a 1 × 1 convolution, which is a linear layer at every place of a map.
func (a *analysis) isPointwise(n *onnxpb.NodeProto) bool {
	if n.GetOpType() != "Conv" && n.GetOpType() != "QLinearConv" {
		return false
	}
	kernel := ints(n, "kernel_shape")
	if kernel == nil && len(n.Input) > 1 {
		if dims := a.weightDims(n.Input[1]); len(dims) == 4 {
			kernel = dims[2:]
		}
	}
	return slices.Equal(kernel, []int64{1, 1}) && integer(n, "group", 1) == 1
}

// countsClasses: as many filters as a well-known data set has classes, ImageNet's with and
// without background and ImageNet-21k's. A map of features has a rounder number.
func (a *analysis) countsClasses(n *onnxpb.NodeProto) bool {
	dims := a.weightDims(n.Input[min(1, len(n.Input)-1)])
	return len(dims) == 4 && slices.Contains([]int64{1000, 1001, 21841, 21843}, dims[0])
}

// isPooled: nothing but views since a pooling.
func (a *analysis) isPooled(tensor string) bool {
	n := a.maker(tensor)
	for n != nil && isView(n.GetOpType()) {
		n = a.maker(a.liveInput(n))
	}
	return n != nil && isPooling(n.GetOpType())
}

// peel goes back from a tensor to the pooling it is a view of, so that a batch size that is
// written into a Reshape is left behind; other tensors stay.
func (a *analysis) peel(tensor string) string {
	if !a.isPooled(tensor) {
		return tensor
	}
	at := tensor
	for n := a.maker(at); isView(n.GetOpType()); n = a.maker(at) {
		at = a.liveInput(n)
	}
	return at
}

// comparedOperand is the side of a product that is ours, before it was normalised; empty if
// both sides are.
func (a *analysis) comparedOperand(n *onnxpb.NodeProto) string {
	live := a.liveInputs(n)
	if len(live) != 1 {
		return ""
	}
	tensor := live[0]
	for {
		n := a.maker(tensor)
		if n == nil {
			return ""
		}
		switch op := n.GetOpType(); {
		case op == "Div" && len(a.liveInputs(n)) == 2, op == "LpNormalization":
			tensor = n.Input[0] // x / |x|
		case op == "Transpose", isView(op):
			tensor = a.liveInput(n)
		default:
			return tensor
		}
	}
}

// maxEarlier bounds how many earlier points are listed for one.
const maxEarlier = 4

// earlier walks back from a point and lists what else could be taken: the inputs of hidden
// linear layers, the tokens, the last feature map.
func (a *analysis) earlier(tensor string) []Point {
	var out []Point
	add := func(tensor, why string) { out = append(out, Point{tensor, RoleEarlier, why}) }
	for len(out) < maxEarlier {
		n := a.maker(tensor)
		if n == nil {
			return out
		}
		input := a.liveInput(n)
		switch op := n.GetOpType(); {
		case a.isDense(n):
			input = a.peel(input)
			add(input, "it feeds the hidden linear layer"+a.sizes(n)+" before that")
		case isPooling(op):
			add(input, "what is pooled there")
		case op == "Gather", op == "Slice":
			add(input, "the tokens that it is taken from")
			return out
		case op == "Mul" && a.isGated(n):
			input = n.Input[0]
		case op == "LayerNormalization", op == "BatchNormalization", isActivation(op), a.passes(n):
		default:
			return out
		}
		tensor = input
	}
	return out
}

// isGated: x · sigmoid(x) and the like, an activation spelled out.
func (a *analysis) isGated(n *onnxpb.NodeProto) bool {
	gate := a.maker(n.Input[len(n.Input)-1])
	return gate != nil && (gate.GetOpType() == "Sigmoid" || gate.GetOpType() == "HardSigmoid") && a.liveInput(gate) == n.Input[0]
}

// sizes tells a linear layer's sizes as " (2048 → 1000)" if its weight is plain to see.
func (a *analysis) sizes(n *onnxpb.NodeProto) string {
	if n == nil || len(n.Input) < 2 {
		return ""
	}
	dims := a.weightDims(n.Input[1])
	switch {
	case len(dims) == 4 || len(dims) == 2 && integer(n, "transB", 0) == 1:
		return fmt.Sprintf(" (%d → %d)", dims[1], dims[0])
	case len(dims) == 2:
		return fmt.Sprintf(" (%d → %d)", dims[0], dims[1])
	}
	return ""
}

// weightDims finds the dimensions of a weight, through nodes that keep them.
func (m *Model) weightDims(tensor string) []int64 {
	for range len(m.nodes) + 1 {
		if w := m.weights[tensor]; w != nil {
			return w.Dims
		}
		at, made := m.producer[tensor]
		if !made || len(m.nodes[at].Input) == 0 {
			return nil
		}
		switch m.nodes[at].GetOpType() {
		case "Identity", "Cast", "DequantizeLinear":
			tensor = m.nodes[at].Input[0]
		default:
			return nil
		}
	}
	return nil
}

func attribute(n *onnxpb.NodeProto, name string) *onnxpb.AttributeProto {
	for _, a := range n.Attribute {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func ints(n *onnxpb.NodeProto, name string) []int64 { return attribute(n, name).GetInts() }

func integer(n *onnxpb.NodeProto, name string, absent int64) int64 {
	if a := attribute(n, name); a != nil {
		return a.GetI()
	}
	return absent
}
