// Package graph reads ONNX model files, finds in them the tensor that holds the embedding and
// rewrites them so that only the encoder is left.
//
// Read turns a file into a Model. Its Points say where an embedding may be taken and why: the
// tensor that feeds the classification head or the decoder, an output that is an embedding
// already, tokens, feature maps. Extract keeps what computes chosen tensors and drops the rest,
// nodes and weights alike; in front it adapts the input (channel order, layout, type), behind
// it pools. Nothing is computed here: shapes that a file does not state are for package onnx to
// measure, which runs models.
//
// Invariants: whatever the bytes, Read answers a Model or an error that wraps a recsys sentinel,
// in memory bounded by Limits, and never panics; a Model is in topological order and every tensor
// that a node reads exists; Extract leaves the model it is called on as it was.
//
// The format is that of onnx.proto (third_party/onnx) and ONNX's docs/IR.md.
package graph
