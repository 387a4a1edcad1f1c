package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// requestID names a write by its request_id and the SHA-256 of everything else in it. The zero
// RequestID is a write without an id.
//
//	digest = SHA-256(method ‖ 0 ‖ deterministic encoding of the request without request_id)
//
// The encoding is stable for one version of protobuf's Go library; a test holds a digest down,
// because a retry across an upgrade that changed it would be refused.
func requestID(method string, m proto.Message) (recsys.RequestID, error) {
	const name = "request_id"
	field := m.ProtoReflect().Descriptor().Fields().ByName(name)
	text := m.ProtoReflect().Get(field).String()
	if text == "" {
		return recsys.RequestID{}, nil
	}
	var request recsys.RequestID
	if n, err := hex.Decode(request.ID[:], []byte(strings.ReplaceAll(text, "-", ""))); err != nil || n != len(request.ID) {
		return recsys.RequestID{}, recsys.Invalid(name, "must be a valid UUID")
	}
	if request.IsZero() {
		return recsys.RequestID{}, recsys.Invalid(name, "must not be the nil UUID, which names nothing")
	}
	// The message belongs to this call alone, so the field may be away for a moment: a copy of
	// it would be a copy of its picture.
	value := m.ProtoReflect().Get(field)
	m.ProtoReflect().Clear(field)
	body, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(append([]byte(method), 0), m)
	m.ProtoReflect().Set(field, value)
	if err != nil {
		return recsys.RequestID{}, fmt.Errorf("encode the request: %w", err)
	}
	request.Digest = sha256.Sum256(body)
	return request, nil
}
