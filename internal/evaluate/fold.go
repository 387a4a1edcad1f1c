package evaluate

import (
	"fmt"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Fold is one training and what is asked after it.
type Fold struct {
	Name  string
	Train []recsys.Interaction
	// New are the items that are registered only after the training.
	New []string
	// Now is when the questions are asked.
	Now    time.Time
	Stages []Stage
}

// Stage is a set of questions with one meaning, and one line of the report.
type Stage struct {
	Name string
	// Reveal are interactions that happen after the training and before the questions; stages
	// come in order and add up.
	Reveal []recsys.Interaction
	// Only are the items that may be answered; nil: all.
	Only  map[string]bool
	Cases []Case
	// Scores asks for the scores of all candidates, not for a list of 100.
	Scores bool
}

// Case is one question: what is known of somebody, and what is to be found.
type Case struct {
	Actor   recsys.Actor
	History []recsys.Interaction // oldest first; its items are not answered
	Targets []string
	Left    map[string]bool // items that are neither to be found nor in the way; nil: none
}

// Check reports a leak: a target that stands in the training rows or in the history, or a new
// item in the training rows. It is recsys.ErrInvalid and names the pair.
func (f Fold) Check() error {
	trained := f.trainedByAsked()
	fresh := make(map[string]bool, len(f.New))
	for _, id := range f.New {
		fresh[id] = true
	}
	for _, in := range f.Train {
		if fresh[in.ItemID] {
			return fmt.Errorf("fold %s leaks: new item %q is in the training rows: %w", f.Name, in.ItemID, recsys.ErrInvalid)
		}
	}
	for _, stage := range f.Stages {
		for _, c := range stage.Cases {
			known := make(map[string]bool, len(c.History))
			for _, in := range c.History {
				known[in.ItemID] = true
			}
			for _, id := range c.Targets {
				if trained[c.Actor][id] || known[id] {
					return fmt.Errorf("fold %s leaks: %s and item %q are a target and known: %w", f.Name, c.Actor.ID, id, recsys.ErrInvalid)
				}
			}
		}
	}
	return nil
}

// trainedByAsked are the items in the training rows of those who are asked.
func (f Fold) trainedByAsked() map[recsys.Actor]map[string]bool {
	trained := make(map[recsys.Actor]map[string]bool)
	for _, stage := range f.Stages {
		for _, c := range stage.Cases {
			trained[c.Actor] = make(map[string]bool)
		}
	}
	for _, in := range f.Train {
		if items, ok := trained[in.Actor]; ok {
			items[in.ItemID] = true
		}
	}
	return trained
}

// leastCases is how many questions with an answer a protocol must have: fewer give no number.
const leastCases = 20

// enough reports whether a protocol's folds ask enough.
func enough(protocol string, folds []Fold) error {
	cases := 0
	for _, f := range folds {
		if len(f.Train) == 0 {
			return fmt.Errorf("%s: a fold has nothing to train on: %w", protocol, recsys.ErrInvalid)
		}
		for _, stage := range f.Stages[:min(1, len(f.Stages))] {
			for _, c := range stage.Cases {
				if len(c.Targets) > 0 {
					cases++
				}
			}
		}
	}
	if cases < leastCases {
		return fmt.Errorf("%s: %d users have something to be found, want at least %d; no figure would mean anything: %w",
			protocol, cases, leastCases, recsys.ErrInvalid)
	}
	return nil
}
