package recsys

import (
	"errors"
	"fmt"
)

// The sentinels every error that crosses a package wraps. server/status.go is the
// only place that turns one into a gRPC code.
var (
	ErrNotFound      = errors.New("not found")
	ErrConflict      = errors.New("conflict")
	ErrInvalid       = errors.New("invalid")
	ErrUnavailable   = errors.New("unavailable")
	ErrExhausted     = errors.New("exhausted")
	ErrUnimplemented = errors.New("not implemented")
	ErrIncompatible  = errors.New("incompatible")
	ErrCorrupt       = errors.New("corrupt")
)

// FieldError is ErrInvalid about one field of a request or a file: where, what was wanted.
// Field is a proto field path ("item.image") or a column name.
type FieldError struct {
	Field  string
	Reason string // what is wrong and the wanted range, one clause, no trailing stop
	Err    error  // the sentinel; nil means ErrInvalid
}

// Invalid builds a FieldError over ErrInvalid.
func Invalid(field, format string, args ...any) *FieldError {
	return &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// Error reads "FIELD: REASON".
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Unwrap gives the sentinel.
func (e *FieldError) Unwrap() error {
	if e.Err == nil {
		return ErrInvalid
	}
	return e.Err
}
