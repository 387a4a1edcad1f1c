package recsys

import "time"

// RunID numbers runs; 0 is none. Spelled "run-7" to clients.
type RunID int64

// String spells the id; empty for 0.
func (id RunID) String() string { return spell("run-", int64(id)) }

// RunKind says what a run does. The numbers are stored and those of the contract.
type RunKind int16

// The kinds of run.
const (
	RunTrain RunKind = 1 + iota
	RunReembed
	RunActivateSpace
)

// RunState says how far a run is. The numbers are stored and those of the contract.
type RunState int16

// The states of a run; the last three are final.
const (
	RunQueued RunState = 1 + iota
	RunRunning
	RunSucceeded
	RunFailed
	RunCancelled
)

// Final reports whether nothing more happens.
func (s RunState) Final() bool { return s >= RunSucceeded }

// Run is long work that one process does: a training, a re-embedding.
type Run struct {
	ID          RunID
	Kind        RunKind
	State       RunState
	Order       []byte // JSON: what was asked for
	Stage       string // what is being done
	Done, Total int64  // of the stage; Total 0: not known
	Outcome     []byte // JSON: what came of it
	Error       string // why it failed
	CreateTime  time.Time
	StartTime   time.Time // zero: not yet
	EndTime     time.Time // zero: not yet
}
