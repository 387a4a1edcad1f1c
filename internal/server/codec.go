package server

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// codec is gRPC's proto codec, except that a request that cannot be decoded is no error of the
// transport: its fault waits in the table for the door, which always runs next. Otherwise gRPC
// would answer INTERNAL without a field, and end the stream that the message came by.
//
// Fields that this version does not know are dropped, so that they cost no memory.
type codec struct {
	encoding.CodecV2
	wire   map[protoreflect.FullName]*wireMessage
	faults *faultTable
}

func newCodec(wire map[protoreflect.FullName]*wireMessage, faults *faultTable) codec {
	return codec{CodecV2: encoding.GetCodecV2(grpcproto.Name), wire: wire, faults: faults}
}

// Unmarshal decodes data into v, which stays empty if data is faulty.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("decode into %T, want a proto.Message", v)
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	if fault := c.decode(buffer.ReadOnlyData(), m); fault != nil {
		proto.Reset(m)
		c.faults.put(m, fault)
	}
	return nil
}

func (c codec) decode(b []byte, m proto.Message) *wireFault {
	// Messages of health and reflection are in no table and need no path.
	if shape := c.wire[m.ProtoReflect().Descriptor().FullName()]; shape != nil {
		if fault := shape.scan(b); fault != nil {
			return fault
		}
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, m); err != nil {
		return malformed()
	}
	return nil
}

// faultTable holds the wire faults of messages between the codec and the door. The zero value
// is ready; safe for concurrent use. It is empty but for that moment: whoever receives a message
// takes its fault before anything else.
type faultTable struct {
	byMessage sync.Map // proto.Message → *wireFault
}

func (t *faultTable) put(m proto.Message, fault *wireFault) { t.byMessage.Store(m, fault) }

// take removes and returns the fault of a message; nil if it was sound.
func (t *faultTable) take(m proto.Message) *wireFault {
	fault, ok := t.byMessage.LoadAndDelete(m)
	if !ok {
		return nil
	}
	return fault.(*wireFault)
}
