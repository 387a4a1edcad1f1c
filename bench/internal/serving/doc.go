// Package serving runs the real program as processes of their own for the benchmarks: a private
// PostgreSQL, `vitrine serve` and its other commands, loads from concurrent callers, processor
// time and memory from /proc, and the report that they print. Linux only.
package serving
