// Package server answers Vitrine's gRPC services and the HTTP port for metrics and health.
//
// It decodes, checks and converts requests, asks the engine or the catalogue, converts the answer
// and turns errors into statuses. It decides nothing about recommendations, opens no listener and
// reads no environment. proto and gRPC types stop here.
//
// Invariant: a handler sees only messages that kept every rule of the .proto files. What a rule
// cannot say is checked here (wire.go, validate.go, convert.go) and answered in the same shape:
// INVALID_ARGUMENT with google.rpc.BadRequest naming the field by its path. status.go is the only
// place where an error becomes a code; a text that reaches a client was written in this project.
//
// A request passes, from the outside in: the codec (wire faults are kept for the door, since gRPC
// would answer them INTERNAL and end a stream), observe (metrics, log, status), recovery (a panic
// is INTERNAL), the door (readiness, wire faults, rules, bytes in flight), the handler.
//
// # Large messages
//
// Messages of up to Config.MaxMessageBytes (128 MiB) are received although a picture may have 20
// MiB only: beyond the limit gRPC itself refuses the call, with a text of its own and no field.
// The codec looks at the bytes before anything is decoded, so that a large fault costs its
// transport and one pass.
//
// Decoded messages are bounded by Config.MaxBytesInFlight: beyond it a call with a large message
// is refused with RESOURCE_EXHAUSTED, and an import waits. A client that sends rows and never
// reads the answers keeps one window of it, 32 MiB. Bytes of messages not yet complete are
// outside that bound, since nothing in gRPC can hold them back by a total: one connection can
// make the server hold MaxConcurrentStreams messages of MaxMessageBytes. The port is for the
// shop's own backend; who opens it further puts a proxy with limits of its own before it.
//
// Shapes follow google.aip.dev: 134 (field masks), 155 (request ids), 158 (pages), 193 (errors).
package server
