package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

const (
	// errorDomain is ErrorInfo's domain.
	errorDomain = "vitrine"
	// retryDelay is what RetryInfo advises: about as long as a restart of the local database takes.
	retryDelay = time.Second

	// Details travel in a trailer, where clients of the C core accept 8 KiB in all (base64
	// included), so a fault is told in at most maxViolations of together violationBytes.
	maxViolations    = 20
	violationBytes   = 4 << 10
	descriptionBytes = 256
	fieldBytes       = 768 // the longest valid path has an attribute name of 128 bytes, escaped 4:1
)

// outcome is what a sentinel means to a client.
type outcome struct {
	err     error
	code    codes.Code
	reason  string // ErrorInfo.reason
	message string // when no field is at fault
	retry   bool
}

// outcomes in the order in which they are looked for.
var outcomes = []outcome{
	{recsys.ErrInvalid, codes.InvalidArgument, "INVALID", "the request is invalid", false},
	{recsys.ErrNotFound, codes.NotFound, "NOT_FOUND", "not found", false},
	{recsys.ErrConflict, codes.AlreadyExists, "CONFLICT", "conflicts with what is stored", false},
	{recsys.ErrUnimplemented, codes.Unimplemented, "UNIMPLEMENTED", "not implemented", false},
	{recsys.ErrIncompatible, codes.FailedPrecondition, "INCOMPATIBLE", "cannot be done in the present state", false},
	{recsys.ErrExhausted, codes.ResourceExhausted, "EXHAUSTED", "too much at once; try again later", true},
	{recsys.ErrCorrupt, codes.DataLoss, "CORRUPT", "stored data could not be read", false},
	{recsys.ErrUnavailable, codes.Unavailable, "UNAVAILABLE", "temporarily unavailable; try again later", true},
	{errLostRace, codes.Aborted, "LOST_RACE", "the item was changed by others at the same time; try again", false},
	{context.Canceled, codes.Canceled, "CANCELLED", "the call was cancelled", false},
	{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline has passed", false},
}

// errLostRace says that an update met other writers of its item too often.
var errLostRace = errors.New("lost the race for the item")

// statusOf is the only place where an error becomes a gRPC status. Faults of fields are told as
// they are, everything else by a fixed text; call names the call in the log and in the ErrorInfo
// of an unknown error. A status that gRPC or one of its own services made keeps its code and text.
func statusOf(err error, call string) *status.Status {
	if err == nil {
		return status.New(codes.OK, "")
	}
	for _, o := range outcomes {
		if errors.Is(err, o.err) {
			return o.status(faultsOf(err))
		}
	}
	if st, ok := status.FromError(err); ok {
		if len(st.Proto().GetDetails()) > 0 {
			return st
		}
		return withDetails(status.New(st.Code(), valid(st.Message())), &errdetails.ErrorInfo{Reason: snake(st.Code()), Domain: errorDomain})
	}
	return withDetails(status.New(codes.Internal, "internal error"),
		&errdetails.ErrorInfo{Reason: "INTERNAL", Domain: errorDomain, Metadata: map[string]string{"call": call}})
}

func (o outcome) status(faults []*recsys.FieldError) *status.Status {
	info := &errdetails.ErrorInfo{Reason: o.reason, Domain: errorDomain}
	details := []protoadapt.MessageV1{info}
	message := o.message
	if len(faults) > 0 {
		bad := badRequest(faults)
		if len(bad.FieldViolations) > 0 {
			details = append(details, bad)
		}
		message = tell(faults, len(bad.FieldViolations))
		info.Metadata = map[string]string{"violations": strconv.Itoa(len(faults))}
		if field := faults[0].Field; field != "" {
			info.Metadata["field"] = clip(field, fieldBytes)
		}
	}
	if o.retry {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)})
	}
	return withDetails(status.New(o.code, message), details...)
}

// tell says the first fault and how many more there are.
func tell(faults []*recsys.FieldError, listed int) string {
	text := clip(faults[0].Reason, descriptionBytes)
	if field := faults[0].Field; field != "" {
		text = clip(field, fieldBytes) + ": " + text
	}
	switch more := len(faults) - 1; {
	case more == 0:
		return text
	case listed < len(faults):
		return fmt.Sprintf("%s (and %d more; the first %d are listed)", text, more, listed)
	default:
		return fmt.Sprintf("%s (and %d more)", text, more)
	}
}

// withDetails never fails: details are valid UTF-8 and the code is not OK.
func withDetails(st *status.Status, details ...protoadapt.MessageV1) *status.Status {
	if detailed, err := st.WithDetails(details...); err == nil {
		return detailed
	}
	return st
}

// badRequest lists as many faults as a trailer can carry, but at least one; a fault of the
// whole message has no field to be listed under.
func badRequest(faults []*recsys.FieldError) *errdetails.BadRequest {
	bad := &errdetails.BadRequest{}
	size := 0
	for _, fault := range faults[:min(len(faults), maxViolations)] {
		if fault.Field == "" {
			continue
		}
		v := &errdetails.BadRequest_FieldViolation{Field: clip(fault.Field, fieldBytes), Description: clip(fault.Reason, descriptionBytes)}
		size += len(v.Field) + len(v.Description)
		if size > violationBytes && len(bad.FieldViolations) > 0 {
			break
		}
		bad.FieldViolations = append(bad.FieldViolations, v)
	}
	return bad
}

// faultsOf collects the field errors of an error tree, in order.
func faultsOf(err error) []*recsys.FieldError {
	switch e := err.(type) {
	case *recsys.FieldError:
		return []*recsys.FieldError{e}
	case interface{ Unwrap() []error }:
		var out []*recsys.FieldError
		for _, part := range e.Unwrap() {
			out = append(out, faultsOf(part)...)
		}
		return out
	case interface{ Unwrap() error }:
		return faultsOf(e.Unwrap())
	}
	return nil
}

// faults are several field errors of one request.
type faults []*recsys.FieldError

// Error joins them.
func (f faults) Error() string {
	var b strings.Builder
	for i, fault := range f {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(fault.Error())
	}
	return b.String()
}

// Unwrap gives each.
func (f faults) Unwrap() []error {
	out := make([]error, len(f))
	for i, fault := range f {
		out[i] = fault
	}
	return out
}

// sort orders faults by field: maps are checked in random order, and an answer should not change
// from one call to the next.
func (f faults) sort() {
	slices.SortStableFunc(f, func(a, b *recsys.FieldError) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reason, b.Reason))
	})
}

// err is nil for no faults.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// clip shortens a text to n bytes of valid UTF-8.
func clip(text string, n int) string {
	text = valid(text)
	if len(text) <= n {
		return text
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

// snake spells a code as google.rpc.Code does: ResourceExhausted is RESOURCE_EXHAUSTED.
func snake(code codes.Code) string {
	var b strings.Builder
	for i, r := range code.String() {
		if i > 0 && r >= 'A' && r <= 'Z' && code != codes.OK {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}
