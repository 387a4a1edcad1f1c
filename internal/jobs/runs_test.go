package jobs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// memoryRuns is a RunStore in memory.
type memoryRuns struct {
	mu     sync.Mutex
	runs   []recsys.Run
	locked map[string]bool
	stages []string
}

func (m *memoryRuns) add(kind recsys.RunKind, order string) recsys.RunID {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := recsys.RunID(len(m.runs) + 1)
	m.runs = append(m.runs, recsys.Run{ID: id, Kind: kind, State: recsys.RunQueued, Order: []byte(order)})
	return id
}

func (m *memoryRuns) OpenRuns(context.Context) (open []recsys.Run, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, run := range m.runs {
		if !run.State.Final() {
			open = append(open, run)
		}
	}
	return open, nil
}

func (m *memoryRuns) Run(_ context.Context, id recsys.RunID) (recsys.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id-1], nil
}

func (m *memoryRuns) ReportRun(_ context.Context, id recsys.RunID, stage string, _, _ int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stages = append(m.stages, stage)
	if m.runs[id-1].State.Final() {
		return false, nil
	}
	m.runs[id-1].State = recsys.RunRunning
	return true, nil
}

func (m *memoryRuns) EndRun(_ context.Context, id recsys.RunID, state recsys.RunState, outcome []byte, fault string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if run := &m.runs[id-1]; !run.State.Final() {
		run.State, run.Outcome, run.Error = state, outcome, fault
	}
	return nil
}

func (m *memoryRuns) Lock(_ context.Context, name string) (func(), bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked[name] {
		return nil, false, nil
	}
	m.locked[name] = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.locked, name)
	}, true, nil
}

func runsOf(t *testing.T, judge engine.Judge) (Job, *memoryRuns, Trainer) {
	t.Helper()
	trainer := plantedTrainer(t)
	fillShop(t, trainer.Engine)
	store := &memoryRuns{locked: make(map[string]bool)}
	return Runs(trainer, store, judge, slog.New(slog.DiscardHandler)), store, trainer
}

func TestRunsAreDoneInOrder(t *testing.T) {
	t.Parallel()
	verdict := engine.SpaceVerdict{Passed: true, Reason: "as good"}
	job, store, trainer := runsOf(t, func(context.Context, engine.SpaceCandidate) (engine.SpaceVerdict, error) { return verdict, nil })
	reembed, train, back := store.add(recsys.RunReembed, `{}`), store.add(recsys.RunTrain, `{}`), store.add(recsys.RunActivateSpace, `{"space": 1}`)
	if err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, outcome := range map[recsys.RunID]string{
		reembed: `{"space":2,"space_live":true,"verdict":"as good"}`,
		train:   `"model":1,"model_live":true`,
		back:    `{"space":1,"space_live":true}`,
	} {
		if run := store.runs[id-1]; run.State != recsys.RunSucceeded || !strings.Contains(string(run.Outcome), outcome) {
			t.Errorf("%v: state %d, outcome %s, error %q; want %s", id, run.State, run.Outcome, run.Error, outcome)
		}
	}
	if list, err := trainer.Engine.Recommend(t.Context(), engine.RecommendQuery{PageSize: 1}); err != nil || list.Space != 1 || list.Model != 1 {
		t.Errorf("answered by %v and %v, %v", list.Space, list.Model, err)
	}
}

func TestRunsThatFailSayWhyWithoutPaths(t *testing.T) {
	t.Parallel()
	job, store, _ := runsOf(t, func(context.Context, engine.SpaceCandidate) (engine.SpaceVerdict, error) {
		return engine.SpaceVerdict{}, errors.New("open /srv/secret: gone")
	})
	judged, unknown, strange := store.add(recsys.RunReembed, `{}`), store.add(recsys.RunReembed, `{"encoder":"x"}`), store.add(99, `{}`)
	if err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, text := range map[recsys.RunID]string{judged: "internal error", unknown: "not found", strange: "kind"} {
		if run := store.runs[id-1]; run.State != recsys.RunFailed || !strings.Contains(run.Error, text) || strings.Contains(run.Error, "/srv") {
			t.Errorf("%v: state %d, error %q; want %q", id, run.State, run.Error, text)
		}
	}
}

// A run of a process that died is open and not locked; one that is locked belongs to another.
func TestRunsOfTheDeadAreTakenUpAndThoseOfOthersLeft(t *testing.T) {
	t.Parallel()
	job, store, _ := runsOf(t, nil)
	dead, others := store.add(recsys.RunReembed, `{}`), store.add(recsys.RunTrain, `{}`)
	store.runs[dead-1].State, store.runs[others-1].State = recsys.RunRunning, recsys.RunRunning
	store.locked[others.String()] = true
	if err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, b := store.runs[dead-1].State, store.runs[others-1].State; a != recsys.RunSucceeded || b != recsys.RunRunning {
		t.Errorf("states %d and %d", a, b)
	}
}

func TestCancelledRunStops(t *testing.T) {
	t.Parallel()
	var store *memoryRuns
	var id recsys.RunID
	job, store, trainer := runsOf(t, func(ctx context.Context, _ engine.SpaceCandidate) (engine.SpaceVerdict, error) {
		if err := store.EndRun(ctx, id, recsys.RunCancelled, nil, ""); err != nil {
			return engine.SpaceVerdict{}, err
		}
		<-ctx.Done() // ends when the cancellation is noticed
		return engine.SpaceVerdict{}, ctx.Err()
	})
	id = store.add(recsys.RunReembed, `{}`)
	if err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if run := store.runs[id-1]; run.State != recsys.RunCancelled {
		t.Errorf("state %d", run.State)
	}
	if list, err := trainer.Engine.Recommend(t.Context(), engine.RecommendQuery{PageSize: 1}); err != nil || list.Space != 1 {
		t.Errorf("the live space changed to %v, %v", list.Space, err)
	}
}
