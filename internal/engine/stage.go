package engine

import "time"

// Meter is told how long the stages of requests take.
type Meter interface {
	Stage(call, stage string, took time.Duration)
}

// The calls and their stages.
const (
	callRecommend = "recommend"
	callSimilar   = "find_similar_items"

	stageHistory    = "history"    // reading what the actor did
	stageQuery      = "query"      // embedding what is asked about
	stageCandidates = "candidates" // folding in the user, scans and index searches
	stageRank       = "rank"       // ordering, diversity
	stagePresent    = "present"    // names, parts and reasons of what is answered
)

// stopwatch tells a Meter of one stage after the other.
type stopwatch struct {
	e    *Engine
	call string
	last time.Time
}

func (e *Engine) stopwatch(call string) stopwatch { return stopwatch{e, call, e.now()} }

// lap ends a stage and begins the next.
func (w *stopwatch) lap(stage string) {
	if w.e == nil || w.e.meter == nil {
		return
	}
	now := w.e.now()
	w.e.meter.Stage(w.call, stage, now.Sub(w.last))
	w.last = now
}
