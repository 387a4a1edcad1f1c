package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// errStale says that a transaction found its preparations overtaken; it is repeated.
var errStale = errors.New("overtaken by another transaction")

// onceError marks a failure after which the operation must not be repeated.
type onceError struct{ error }

func (e onceError) Unwrap() error { return e.error }

func once(err error) error { return onceError{err} }

// callbackError carries an error of the caller's own function through untouched.
type callbackError struct{ error }

func (e callbackError) Unwrap() error { return e.error }

// unknownError says that the connection broke while a commit was being acknowledged.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

// fault turns an error into what leaves the package: what was attempted, a sentinel of recsys
// and the cause, which is for the log. The end of the caller's context comes first, whatever
// the driver made of it.
func fault(ctx context.Context, what string, err error) error {
	var own callbackError
	if errors.As(err, &own) {
		return own.error
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%s: %w", what, ended)
	}
	if isSentinel(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
	sentinel := sentinelOf(err)
	switch {
	case sentinel == nil:
		return fmt.Errorf("%s: %w", what, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// A deadline of this package, such as that for connecting: no errors.Is of a caller may
		// take it for its own.
		return fmt.Errorf("%s: %w: %v", what, sentinel, err)
	}
	return fmt.Errorf("%s: %w: %w", what, sentinel, err)
}

func isSentinel(err error) bool {
	for _, sentinel := range []error{recsys.ErrNotFound, recsys.ErrConflict, recsys.ErrInvalid, recsys.ErrUnavailable,
		recsys.ErrExhausted, recsys.ErrUnimplemented, recsys.ErrIncompatible, recsys.ErrCorrupt} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

// sentinelOf is the only place where a SQLSTATE or a broken connection becomes a sentinel; nil
// means that this package did not expect the error.
func sentinelOf(err error) error {
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return recsys.ErrNotFound
	case isLost(err), errors.Is(err, errStale), errors.Is(err, errClosed):
		return recsys.ErrUnavailable
	}
	code := sqlState(err)
	switch code {
	case "":
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return recsys.ErrUnavailable // fault has looked at the caller's context
		}
		return nil
	case "23505": // unique_violation
		return recsys.ErrConflict
	case "23503": // foreign_key_violation
		return recsys.ErrNotFound
	case "25006", // read_only_sql_transaction: a standby answered
		"25P03", // idle_in_transaction_session_timeout
		"57014", // query_canceled: the statement timeout
		"55P03": // lock_not_available
		return recsys.ErrUnavailable
	case "XX001", "XX002": // data_corrupted, index_corrupted
		return recsys.ErrCorrupt
	case "42P01", "42703", "42883", "3F000": // undefined table, column, function, schema: not migrated
		return recsys.ErrIncompatible
	}
	return sentinelOfClass(code[:2])
}

func sentinelOfClass(class string) error {
	switch class {
	case "22", "23", "54": // data exception, integrity constraint, program limit
		return recsys.ErrInvalid
	case "08", "28", "3D", "40", "53", "57", "58":
		// connection, authorization, no such database, rolled back, resources, operator
		// intervention, system error
		return recsys.ErrUnavailable
	}
	return nil
}

func sqlState(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

// isData reports whether the values of a statement were refused, so that it would fail again
// and other rows of the same statement would not.
func isData(err error) bool {
	code := sqlState(err)
	return code != "" && code != "23505" && code != "23503" && errors.Is(sentinelOfClass(code[:2]), recsys.ErrInvalid)
}

// isLost reports whether the server or the connection to it is gone or not there yet.
func isLost(err error) bool {
	if code := sqlState(err); code != "" {
		switch code {
		case "57P01", "57P02", "57P03", "57P05": // shutdown, crash of another backend, starting, idle session
			return true
		case "25P03": // idle_in_transaction_session_timeout ended the session
			return true
		}
		return code[:2] == "08"
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// isRolledBack reports whether a transaction was undone for reasons that a repetition may not
// meet again.
func isRolledBack(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code == "40001" || server.Code == "40P01" ||
			server.Code == "23505" && server.ConstraintName == requestKey
	}
	return errors.Is(err, errStale)
}
