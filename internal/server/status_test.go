package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestStatusOfEverySentinel(t *testing.T) {
	t.Parallel()
	driver := errors.New("ERROR: relation \"item\" does not exist (SQLSTATE 42P01) at /var/lib/secret")
	for _, test := range []struct {
		err    error
		code   codes.Code
		reason string
		retry  bool
	}{
		{recsys.ErrNotFound, codes.NotFound, "NOT_FOUND", false},
		{recsys.ErrConflict, codes.AlreadyExists, "CONFLICT", false},
		{recsys.ErrInvalid, codes.InvalidArgument, "INVALID", false},
		{recsys.ErrUnavailable, codes.Unavailable, "UNAVAILABLE", true},
		{recsys.ErrExhausted, codes.ResourceExhausted, "EXHAUSTED", true},
		{recsys.ErrUnimplemented, codes.Unimplemented, "UNIMPLEMENTED", false},
		{recsys.ErrIncompatible, codes.FailedPrecondition, "INCOMPATIBLE", false},
		{recsys.ErrCorrupt, codes.DataLoss, "CORRUPT", false},
		{errLostRace, codes.Aborted, "LOST_RACE", false},
		{context.Canceled, codes.Canceled, "CANCELLED", false},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED", false},
		{errors.New("surprise"), codes.Internal, "INTERNAL", false},
		{&panicError{value: "surprise"}, codes.Internal, "INTERNAL", false},
		// A timeout of the store's own is no deadline of the caller's.
		{fmt.Errorf("%w: %w", recsys.ErrUnavailable, context.DeadlineExceeded), codes.Unavailable, "UNAVAILABLE", true},
	} {
		st := statusOf(fmt.Errorf("read items: %w: %w", test.err, driver), "CALL")
		wantStatus(t, st, test.code)
		info, _ := detailOf[*errdetails.ErrorInfo](st)
		if info.Reason != test.reason {
			t.Errorf("%v: reason %s, want %s", test.err, info.Reason, test.reason)
		}
		if _, retry := detailOf[*errdetails.RetryInfo](st); retry != test.retry {
			t.Errorf("%v: RetryInfo %v, want %v", test.err, retry, test.retry)
		}
		if all := st.Proto().String(); strings.Contains(all, "SQLSTATE") || strings.Contains(all, "secret") || strings.Contains(all, "surprise") {
			t.Errorf("%v: the client is told %s", test.err, all)
		}
		if (info.Metadata["call"] == "CALL") != (test.code == codes.Internal) {
			t.Errorf("%v: call %q", test.err, info.Metadata["call"])
		}
	}
	if st := statusOf(nil, ""); st.Code() != codes.OK || st.Err() != nil {
		t.Errorf("no error gives %v", st)
	}
}

func TestStatusTellsFieldFaults(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("register: %w", errors.Join(
		recsys.Invalid("item.image", "is no picture"),
		fmt.Errorf("and: %w", &recsys.FieldError{Field: "item.title", Reason: "is dull"})))
	st := statusOf(err, "")
	wantStatus(t, st, codes.InvalidArgument, "item.image", "item.title")
	if want := "item.image: is no picture (and 1 more)"; st.Message() != want {
		t.Errorf("message %q, want %q", st.Message(), want)
	}
	info, _ := detailOf[*errdetails.ErrorInfo](st)
	if diff := cmp.Diff(map[string]string{"field": "item.image", "violations": "2"}, info.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	missing := statusOf(&recsys.FieldError{Field: "item_id", Reason: "is not registered", Err: recsys.ErrNotFound}, "")
	wantStatus(t, missing, codes.NotFound, "item_id")
	whole := statusOf(&recsys.FieldError{Reason: "is garbled"}, "")
	wantStatus(t, whole, codes.InvalidArgument)
	if whole.Message() != "is garbled" {
		t.Errorf("message %q", whole.Message())
	}
}

func TestStatusKeepsWhatGRPCMade(t *testing.T) {
	t.Parallel()
	st := statusOf(status.Error(codes.ResourceExhausted, "grpc: received message larger than max"), "")
	wantStatus(t, st, codes.ResourceExhausted)
	info, _ := detailOf[*errdetails.ErrorInfo](st)
	if info.Reason != "RESOURCE_EXHAUSTED" || !strings.HasPrefix(st.Message(), "grpc:") {
		t.Errorf("reason %s, message %q", info.Reason, st.Message())
	}
	again := statusOf(st.Err(), "")
	if !proto.Equal(again.Proto(), st.Proto()) {
		t.Errorf("%v became %v", st, again)
	}
}

func TestStatusFitsATrailer(t *testing.T) {
	t.Parallel()
	var many faults
	for range 1000 {
		many = append(many, recsys.Invalid(strings.Repeat("\xff€", 5000), "%s", strings.Repeat("ü", 5000)))
	}
	st := statusOf(many, "")
	if size := proto.Size(st.Proto()); size > 6<<10 {
		t.Errorf("the status has %d bytes", size)
	}
	if !utf8.ValidString(st.Message()) || len(fieldsOf(st)) == 0 || !strings.Contains(st.Message(), "(and 999 more; the first ") {
		t.Errorf("message %q", st.Message())
	}
}

func TestClipKeepsRunesWhole(t *testing.T) {
	t.Parallel()
	for n := 3; n < 12; n++ {
		got := clip("aüüüüü", n)
		if len(got) > n || !utf8.ValidString(got) || !strings.HasPrefix("aüüüüü", strings.TrimSuffix(got, "…")) {
			t.Errorf("clip to %d gives %q", n, got)
		}
	}
	if got := clip("aüüüüü", 11); got != "aüüüüü" {
		t.Errorf("a text that fits became %q", got)
	}
}

func TestFaultsAreSortedByField(t *testing.T) {
	t.Parallel()
	f := faults{recsys.Invalid("b", "2"), recsys.Invalid("a", "2"), recsys.Invalid("a", "1")}
	f.sort()
	if got, want := f.Error(), "a: 1; a: 2; b: 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(faultsOf(f), f) || faults(nil).err() != nil {
		t.Error("faults are lost")
	}
}
