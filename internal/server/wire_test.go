package server

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

func wireTable(t testing.TB) map[protoreflect.FullName]*wireMessage {
	t.Helper()
	table, err := newWireTable(requestTypes())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// A field cannot hide in a part of a message that comes in several, nor be counted twice.
func TestScanMergesPartsOfAMessage(t *testing.T) {
	t.Parallel()
	shape := wireTable(t)["vitrine.v1.RegisterItemRequest"]
	const limit = 2*256 + 1024
	part := func(n int) []byte {
		return encode(t, &pb.RegisterItemRequest{Item: &pb.Item{Attributes: manyAttributes(n)}})
	}
	if fault := shape.scan(append(part(limit/2), part(limit/2)...)); fault != nil {
		t.Errorf("%d attributes in two parts: %v", limit, fault)
	}
	fault := shape.scan(append(part(limit), part(1000)...))
	if fault == nil || fault.Error() != fmt.Sprintf("item.attributes: must have at most 256 entries, has %d", limit+1000) {
		t.Errorf("%d attributes in two parts: %v", limit+1000, fault)
	}
	// The values of one map entry are parts of one value, those of two entries are not.
	entry := func(keys ...string) []byte {
		var b []byte
		for _, key := range keys {
			b = append(b, encode(t, &pb.Item{Attributes: map[string]*pb.AttributeValue{key: labels(make([]string, 1000)...)}})...)
		}
		return append(protowire.AppendVarint([]byte{0x0a}, uint64(len(b))), b...)
	}
	if fault := shape.scan(entry("a", "b", "a")); fault != nil {
		t.Errorf("1,000 labels each: %v", fault)
	}
}

func TestScanNamesTheItemOfAFaultyRow(t *testing.T) {
	t.Parallel()
	body := broken(t, &pb.ImportItemsRequest{Item: item(func(it *pb.Item) { it.Title = "@@@@" })})
	fault := wireTable(t)["vitrine.v1.ImportItemsRequest"].scan(body)
	if fault == nil || fault.itemID != "lamp-1" {
		t.Errorf("fault %+v, want one of lamp-1", fault)
	}
}

func TestScanStopsListingFaults(t *testing.T) {
	t.Parallel()
	body := broken(t, &pb.RecommendRequest{ExcludeItemIds: slices.Repeat([]string{"@@@@"}, 1000)})
	fault := wireTable(t)["vitrine.v1.RecommendRequest"].scan(body)
	if fault == nil || len(fault.faults) != maxViolations {
		t.Errorf("fault %v, want %d of them", fault, maxViolations)
	}
}

// FuzzScan compares the scan with its slow twin, the decoder: what the scan lets pass can be
// decoded, and what it refuses cannot, unless it is told to be too large.
func FuzzScan(f *testing.F) {
	valid := encode(f, &pb.RegisterItemRequest{Item: item(func(it *pb.Item) {
		it.Attributes["by"] = labels("a", "b")
		it.Attributes["t"] = text("x")
		it.Picture = &pb.Item_Image{Image: []byte{1, 2, 3}}
	}), RequestId: "00000000-0000-4000-8000-000000000000"})
	f.Add(valid)
	f.Add(bytes.ReplaceAll(valid, []byte("lamp"), []byte("l\xffmp")))
	f.Add(valid[:len(valid)-1])
	f.Add(append([]byte{0x0b, 0x10, 0x01, 0x0c}, valid...)) // a group where a message is wanted
	f.Add([]byte("\x0a\x06\x32\x04\x0a\x02\xff\xff"))
	shape := wireTable(f)["vitrine.v1.RegisterItemRequest"]
	f.Fuzz(func(t *testing.T, body []byte) {
		fault := shape.scan(body)
		err := proto.Unmarshal(body, &pb.RegisterItemRequest{})
		if fault == nil && err != nil {
			t.Fatalf("the scan found nothing, the decoder %v", err)
		}
		if fault != nil && err == nil && !strings.Contains(fault.Error(), "must have at most") && !strings.Contains(fault.Error(), "must be at most") {
			t.Fatalf("the scan found %v, the decoder nothing", fault)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	body := encode(b, &pb.RegisterItemRequest{Item: item(func(it *pb.Item) {
		for i := range 20 {
			it.Attributes[fmt.Sprint("a", i)] = labels("a", "b", "c")
		}
	})})
	shape := wireTable(b)["vitrine.v1.RegisterItemRequest"]
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if fault := shape.scan(body); fault != nil {
			b.Fatal(fault)
		}
	}
}
