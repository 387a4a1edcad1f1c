// Package onnx runs picture encoders over ONNX Runtime. An Encoder is one model file with its
// manifest: it turns a picture into a tensor by the manifest's rule and a tensor into the raw
// vector that the embedding space reads. It is the only package that touches the runtime.
//
// One session is shared by a few workers. Each takes from the waiting calls what is its share
// and never waits for more, so a call alone is not delayed and calls that come together are
// run together. A run's fault is traced to its call; the others get their vectors.
//
// It does not choose models, store vectors or bound how many pictures are decoded at once.
//
// Invariants: vectors are finite; the model file has the SHA-256 its manifest names and the
// tensors it describes; after Close nothing runs. The runtime's library is loaded once per
// process and stays.
package onnx
