// Package migrations holds the database schema as goose migrations, embedded so that the
// binary carries them. It applies nothing (package postgres does) and knows no Go types of the
// rest. Invariant: a file that was released is never edited; changes come as a new file with
// the next number.
package migrations

import "embed"

// FS holds NNNNN_name.sql files in the format of goose (github.com/pressly/goose).
//
//go:embed *.sql
var FS embed.FS
