package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestFault(t *testing.T) {
	t.Parallel()
	server := func(code string) error {
		return fmt.Errorf("a statement: %w", &pgconn.PgError{Code: code, Message: "text of the server"})
	}
	own := errors.New("own")
	for _, c := range []struct {
		name            string
		err, want, not  error
		lost, data, bad bool // isLost, isData, isRolledBack
	}{
		{name: "no rows", err: pgx.ErrNoRows, want: recsys.ErrNotFound},
		{name: "bad encoding", err: server("22021"), want: recsys.ErrInvalid, data: true},
		{name: "number out of range", err: server("22003"), want: recsys.ErrInvalid, data: true},
		{name: "check", err: server("23514"), want: recsys.ErrInvalid, data: true},
		{name: "index row too large", err: server("54000"), want: recsys.ErrInvalid, data: true},
		{name: "duplicate", err: server("23505"), want: recsys.ErrConflict},
		{name: "foreign key", err: server("23503"), want: recsys.ErrNotFound},
		{name: "deadlock", err: server("40P01"), want: recsys.ErrUnavailable, bad: true},
		{name: "serialization", err: server("40001"), want: recsys.ErrUnavailable, bad: true},
		{name: "overtaken", err: errStale, want: recsys.ErrUnavailable, bad: true},
		{name: "shutdown", err: server("57P01"), want: recsys.ErrUnavailable, lost: true},
		{name: "starting", err: server("57P03"), want: recsys.ErrUnavailable, lost: true},
		{name: "connection failure", err: server("08006"), want: recsys.ErrUnavailable, lost: true},
		{name: "statement timeout", err: server("57014"), want: recsys.ErrUnavailable},
		{name: "too many connections", err: server("53300"), want: recsys.ErrUnavailable},
		{name: "disk full", err: server("53100"), want: recsys.ErrUnavailable},
		{name: "read-only standby", err: server("25006"), want: recsys.ErrUnavailable},
		{name: "wrong password", err: server("28P01"), want: recsys.ErrUnavailable},
		{name: "corrupt page", err: server("XX001"), want: recsys.ErrCorrupt},
		{name: "no such table", err: server("42P01"), want: recsys.ErrIncompatible},
		{name: "broken off", err: fmt.Errorf("read: %w", io.ErrUnexpectedEOF), want: recsys.ErrUnavailable, lost: true},
		{name: "own deadline", err: fmt.Errorf("connect: %w", context.DeadlineExceeded), want: recsys.ErrUnavailable, not: context.DeadlineExceeded, lost: true},
		{name: "sentinel", err: fmt.Errorf("%w: %w", recsys.ErrCorrupt, io.EOF), want: recsys.ErrCorrupt, not: recsys.ErrUnavailable, lost: true},
		{name: "caller's own", err: once(callbackError{own}), want: own},
		{name: "unexpected", err: server("42601"), want: nil, not: recsys.ErrInvalid},
	} {
		got := fault(t.Context(), "try", c.err)
		if got == nil || c.want != nil && !errors.Is(got, c.want) || c.not != nil && errors.Is(got, c.not) || c.want == nil && isSentinel(got) {
			t.Errorf("%s: %v, want %v and not %v", c.name, got, c.want, c.not)
		}
		if isLost(c.err) != c.lost || isData(c.err) != c.data || isRolledBack(c.err) != c.bad {
			t.Errorf("%s: lost %v, data %v, rolled back %v", c.name, isLost(c.err), isData(c.err), isRolledBack(c.err))
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := fault(ended, "try", io.ErrUnexpectedEOF); !errors.Is(got, context.Canceled) || errors.Is(got, recsys.ErrUnavailable) {
		t.Errorf("the caller has gone: %v", got)
	}
	if !isRolledBack(&pgconn.PgError{Code: "23505", ConstraintName: requestKey}) {
		t.Error("two transactions with one request id are not repeated")
	}
}
