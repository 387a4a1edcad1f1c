package graph

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/onnx/onnxpb"
)

// Pool is how a tensor becomes one vector for each picture or text.
type Pool string

const (
	PoolNone    Pool = "none"        // [batch, d] as it is
	PoolFlatten Pool = "flatten"     // [batch, …], all values after one another
	PoolMap     Pool = "map-mean"    // [batch, d, h, w], mean over places
	PoolClass   Pool = "class-token" // [batch, tokens, d], the first token
	PoolTokens  Pool = "token-mean"  // [batch, tokens, d], mean over all tokens
	PoolPatches Pool = "patch-mean"  // [batch, tokens, d], mean over all tokens but the first
	PoolMasked  Pool = "masked-mean" // [batch, tokens, d], mean over the tokens that the attention mask counts
)

// Fit lists the poolings that make a vector of a tensor of the given dimensions, the likeliest
// first, and the length of the vector each makes. dims begins with the batch. Tokens that are
// one more than a square are a class token and patches.
func Fit(dims []int64, text bool) []Fitted {
	total := int64(1)
	for _, d := range dims[min(1, len(dims)):] {
		if d < 1 || total > math.MaxInt32/d {
			return nil
		}
		total *= d
	}
	switch {
	case len(dims) == 2:
		return []Fitted{{PoolNone, total}}
	case len(dims) == 3 && text:
		return []Fitted{{PoolMasked, dims[2]}, {PoolClass, dims[2]}}
	case len(dims) == 3 && (dims[1] == 1 || dims[2] == 1):
		return []Fitted{{PoolFlatten, total}}
	case len(dims) == 3 && square(dims[1]):
		return []Fitted{{PoolTokens, dims[2]}, {PoolClass, dims[2]}}
	case len(dims) == 3:
		return []Fitted{{PoolClass, dims[2]}, {PoolPatches, dims[2]}, {PoolTokens, dims[2]}}
	case len(dims) == 4 && dims[2]*dims[3] == 1:
		return []Fitted{{PoolFlatten, total}}
	case len(dims) == 4:
		return []Fitted{{PoolMap, dims[1]}, {PoolFlatten, total}}
	}
	return nil
}

// Fitted is a pooling with the length of its vectors.
type Fitted struct {
	Pool Pool
	Dims int64
}

func square(n int64) bool {
	root := int64(math.Round(math.Sqrt(float64(n))))
	return root*root == n
}

// tap adds what pools a tensor and answers the output.
func (x *extraction) tap(t Tap) *onnxpb.ValueInfoProto {
	tensor := x.resolve(t.Tensor)
	if t.Half {
		tensor = x.after(tensor, step{op: "Cast", attributes: []*onnxpb.AttributeProto{intAttribute("to", int64(onnxpb.TensorProto_FLOAT))}})
	}
	for _, s := range x.steps(t.Pool) {
		tensor = x.after(tensor, s)
	}
	if t.Pool == PoolMasked {
		tensor = x.maskedMean(tensor)
	}
	if t.Name != "" && t.Name != tensor {
		name := x.free(t.Name)
		x.add(node("Identity", []string{tensor}, name))
		tensor = name
	}
	out := &onnxpb.ValueInfoProto{Name: proto.String(tensor)}
	if t.Dims > 0 {
		out.Type = tensorType(onnxpb.TensorProto_FLOAT, []int64{-1, t.Dims})
	}
	return out
}

// step is a node whose first input is what the step before made.
type step struct {
	op         string
	inputs     []string
	attributes []*onnxpb.AttributeProto
}

// after adds a step to a tensor and answers what it makes.
func (x *extraction) after(tensor string, s step) string {
	out := x.free(tensor + "_" + s.op)
	x.add(node(s.op, append([]string{tensor}, s.inputs...), out, s.attributes...))
	return out
}

// add puts a node behind all others.
func (x *extraction) add(n *onnxpb.NodeProto) {
	x.taken[n.Output[0]] = true
	x.back = append(x.back, n)
}

// steps are the nodes of a pooling.
func (x *extraction) steps(p Pool) []step {
	flatten := step{op: "Flatten", attributes: []*onnxpb.AttributeProto{intAttribute("axis", 1)}}
	switch p {
	case PoolFlatten:
		return []step{flatten}
	case PoolMap:
		return []step{{op: "GlobalAveragePool"}, flatten}
	case PoolClass:
		return []step{{"Gather", []string{x.constant("first_token", nil, 0)}, []*onnxpb.AttributeProto{intAttribute("axis", 1)}}}
	case PoolTokens:
		return []step{x.reduce("ReduceMean", 18, 0)}
	case PoolPatches:
		return []step{x.afterFirst(), x.reduce("ReduceMean", 18, 0)}
	}
	return nil
}

// maskedMean is Σ mask·token / Σ mask, as a product with the mask as a row vector.
func (x *extraction) maskedMean(tokens string) string {
	mask := x.after(x.edits.Mask, step{op: "Cast", attributes: []*onnxpb.AttributeProto{intAttribute("to", int64(onnxpb.TensorProto_FLOAT))}})
	row := x.after(mask, step{op: "Reshape", inputs: []string{x.constant("mask_row", []int64{3}, 0, 1, -1)}})
	sum := x.after(row, step{op: "MatMul", inputs: []string{tokens}})
	flat := x.after(sum, step{op: "Flatten", attributes: []*onnxpb.AttributeProto{intAttribute("axis", 1)}})
	count := x.after(mask, x.reduce("ReduceSum", 13, 1))
	return x.after(flat, step{op: "Div", inputs: []string{count}})
}

// reduce takes axis 1 together. These operators changed, one by one, from an attribute to an input.
func (x *extraction) reduce(op string, since, keep int64) step {
	kept := intAttribute("keepdims", keep)
	if x.m.Opset() >= since {
		return step{op, []string{x.constant("token_axis", []int64{1}, 1)}, []*onnxpb.AttributeProto{kept}}
	}
	return step{op, nil, []*onnxpb.AttributeProto{intsAttribute("axes", 1), kept}}
}

// afterFirst leaves the first token out.
func (x *extraction) afterFirst() step {
	if x.m.Opset() >= 10 {
		one := []int64{1}
		return step{"Slice", []string{x.constant("patches_from", one, 1), x.constant("patches_to", one, math.MaxInt32), x.constant("patches_axis", one, 1)}, nil}
	}
	return step{"Slice", nil, []*onnxpb.AttributeProto{intsAttribute("starts", 1), intsAttribute("ends", math.MaxInt32), intsAttribute("axes", 1)}}
}

// free answers a name that nothing has.
func (x *extraction) free(name string) string {
	for i := 0; ; i++ {
		candidate := name
		if i > 0 {
			candidate = fmt.Sprintf("%s_%d", name, i)
		}
		if !x.taken[candidate] && !x.m.Has(candidate) {
			return candidate
		}
	}
}
