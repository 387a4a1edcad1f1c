package server

import (
	"errors"
	"math"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Config holds the settings of the server.
type Config struct {
	// MaxMessageBytes bounds one received message; see the package comment for why it is larger
	// than any valid message.
	MaxMessageBytes int
	// MaxBytesInFlight bounds the decoded messages that handlers hold, all calls together.
	MaxBytesInFlight int64
	// MaxConcurrentStreams bounds the calls of one connection; more wait at the client.
	MaxConcurrentStreams uint32
	// Timeout is the deadline of a unary call whose client set none.
	Timeout time.Duration
	// Profiling serves the profiles of net/http/pprof beside metrics and health.
	Profiling bool
}

// DefaultConfig returns the settings for one shop on one machine.
func DefaultConfig() Config {
	return Config{
		MaxMessageBytes:      128 << 20,
		MaxBytesInFlight:     512 << 20,
		MaxConcurrentStreams: 1000,
		Timeout:              time.Minute,
	}
}

// Validate reports all faults.
func (c Config) Validate() error {
	var faults []error
	if c.MaxMessageBytes < 1<<20 || c.MaxMessageBytes > math.MaxInt32 {
		faults = append(faults, recsys.Invalid("max_message_bytes", "must lie between 1 MiB and 2 GiB, got %d", c.MaxMessageBytes))
	}
	if c.MaxBytesInFlight < importWindow {
		faults = append(faults, recsys.Invalid("max_bytes_in_flight", "must be at least %d, got %d", importWindow, c.MaxBytesInFlight))
	}
	if c.MaxConcurrentStreams == 0 {
		faults = append(faults, recsys.Invalid("max_concurrent_streams", "must be positive"))
	}
	if c.Timeout <= 0 {
		faults = append(faults, recsys.Invalid("timeout", "must be positive, got %v", c.Timeout))
	}
	return errors.Join(faults...)
}
