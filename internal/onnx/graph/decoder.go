package graph

import (
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
)

// A masked autoencoder draws an order of the patches, keeps the first of them (a gather), encodes
// those, and, before its decoder, puts mask tokens in and brings all into the old order (another
// gather). Both take their indices from TopK over numbers that do not depend on the picture.
// (He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", §3.)

// findShuffles lists the nodes that pick rows of live data in a drawn order, in topological order.
func (a *analysis) findShuffles() []int {
	drawn := map[string]bool{}
	var out []int
	for at, n := range a.nodes {
		op := n.GetOpType()
		if op == "TopK" && a.liveInput(n) == "" && !a.fixed[n.Input[0]] {
			for _, name := range n.Output {
				drawn[name] = true
			}
			continue
		}
		if op == "Shape" || op == "Size" || !slices.ContainsFunc(n.Input, func(name string) bool { return drawn[name] }) {
			continue
		}
		if len(n.Input) >= 2 && a.live[n.Input[0]] && drawn[n.Input[1]] && (op == "GatherElements" || op == "Gather" || op == "GatherND") {
			out = append(out, at)
			continue
		}
		for _, name := range n.Output {
			drawn[name] = true
		}
	}
	return out
}

// restores: the gather before a decoder, whose data has mask tokens joined on.
func (a *analysis) restores(at int) bool {
	maker := a.maker(a.nodes[at].Input[0])
	return maker != nil && maker.GetOpType() == "Concat" && len(a.liveInputs(maker)) < len(maker.Input)
}

// maskings are the gathers that keep only some patches. Without them the encoder sees all.
func (a *analysis) maskings() []int {
	return slices.DeleteFunc(slices.Clone(a.shuffles), a.restores)
}

// decoderPoint finds where a decoder begins on the way to an output.
func (a *analysis) decoderPoint(out string) (Point, bool) {
	reached := a.ancestors(out)
	for _, at := range a.shuffles {
		if reached[at] && a.restores(at) {
			joined := a.maker(a.nodes[at].Input[0])
			return Point{a.beforeDense(a.liveInput(joined)), RoleDecoder, "it feeds the decoder, which fills in masked patches"}, true
		}
	}
	for at, n := range a.nodes {
		if !reached[at] || (!a.isDense(n) && n.GetOpType() != "Conv") {
			continue
		}
		if name := a.weightName(n); strings.Contains(strings.ToLower(name), "decoder") && a.liveInput(n) != "" {
			return Point{a.liveInput(n), RoleDecoder, "it feeds the first layer named as the decoder's, " + name}, true
		}
	}
	return Point{}, false
}

// beforeDense goes back over reordering and the linear layer that fits tokens to a decoder.
func (a *analysis) beforeDense(tensor string) string {
	for at := tensor; ; {
		n := a.maker(at)
		switch {
		case n == nil:
			return tensor
		case a.isDense(n):
			return a.liveInput(n)
		case n.GetOpType() == "Slice" || n.GetOpType() == "Gather" || a.passes(n):
			at = a.liveInput(n)
		default:
			return tensor
		}
	}
}

// upsamplingPoint finds the bottleneck of an autoencoder of convolutions: what is enlarged first.
func (a *analysis) upsamplingPoint(out string) (Point, bool) {
	reached := a.ancestors(out)
	for at, n := range a.nodes {
		switch n.GetOpType() {
		case "ConvTranspose", "Upsample", "Resize", "DepthToSpace":
			if input := a.liveInput(n); reached[at] && input != "" {
				return Point{input, RoleDecoder, "it is enlarged next, by a decoder"}, true
			}
		}
	}
	return Point{}, false
}

// ancestors marks the nodes that an output needs.
func (m *Model) ancestors(outs ...string) []bool {
	needed := make([]bool, len(m.nodes))
	for _, out := range outs {
		if at, made := m.producer[out]; made {
			needed[at] = true
		}
	}
	for at := len(m.nodes) - 1; at >= 0; at-- {
		if !needed[at] {
			continue
		}
		for _, name := range uses(m.nodes[at]) {
			if from, made := m.producer[name]; made {
				needed[from] = true
			}
		}
	}
	return needed
}

// weightName is the name of a layer's weight, or what is behind it.
func (m *Model) weightName(n *onnxpb.NodeProto) string {
	if len(n.Input) < 2 {
		return ""
	}
	if m.weights[n.Input[1]] != nil && !strings.HasPrefix(n.Input[1], "onnx::") {
		return n.Input[1]
	}
	return n.GetName()
}

// Masks reports whether the model hides patches of its picture from its encoder.
func (m *Model) Masks(input string) bool { return len(newAnalysis(m, input).maskings()) > 0 }
