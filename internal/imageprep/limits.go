package imageprep

import (
	"errors"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Limits bounds what Decode accepts. All three count before anything is decoded.
type Limits struct {
	MaxBytes  int   // of the file
	MaxPixels int64 // width × height, as the file's header declares them
	MaxMemory int64 // bytes the decoder would allocate for pixels and coefficients
}

// DefaultLimits returns 20 MiB, 50 megapixels and 512 MiB. The last refuses only what is
// both large and costly, such as a progressive JPEG of 50 megapixels without chroma
// subsampling.
func DefaultLimits() Limits {
	return Limits{MaxBytes: 20 << 20, MaxPixels: 50_000_000, MaxMemory: 512 << 20}
}

// Validate reports every limit that is not positive.
func (l Limits) Validate() error {
	var faults []error
	for _, limit := range []struct {
		name  string
		value int64
	}{{"max bytes", int64(l.MaxBytes)}, {"max pixels", l.MaxPixels}, {"max memory", l.MaxMemory}} {
		if limit.value <= 0 {
			faults = append(faults, fmt.Errorf("picture %s %d: want more than 0: %w", limit.name, limit.value, recsys.ErrInvalid))
		}
	}
	return errors.Join(faults...)
}

// refuse says what is wrong with a picture; the caller knows which field it came in.
func refuse(format string, args ...any) error { return recsys.Invalid("", format, args...) }
