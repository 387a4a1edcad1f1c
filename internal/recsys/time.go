package recsys

import (
	"math"
	"time"
)

// UnixNano is t.UnixNano for every representable time: proto timestamps reach the year 9999,
// nanoseconds in an int64 from 1678 to 2262 only. Times outside of 1700 … 2250 become the least and
// greatest number.
func UnixNano(t time.Time) int64 {
	switch {
	case t.Year() < 1700:
		return math.MinInt64
	case t.Year() > 2250:
		return math.MaxInt64
	}
	return t.UnixNano()
}
