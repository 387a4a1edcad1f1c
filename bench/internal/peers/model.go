// Package peers fetches what quality is measured against: public data and other recommenders, by
// name and version, into a cache directory.
//
//	FetchMovieLens  MovieLens 100K as import files
//	Install         Python with implicit 0.7.3, LightFM 1.17, and EASE in NumPy
//	Python.Model    a peer as a model of a trial: the same folds, cases and metrics as ours
//
// A peer is trained in a process of its own on a fold's training rows, scores the whole catalogue
// for each case of the fold, and is ranked here.
package peers

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// Method is a peer with its settings.
type Method struct {
	Name    string // implicit, ease or lightfm
	Label   string // as it stands in tables
	Factors int
	Setting map[string]float64
}

// String is the label with the settings.
func (m Method) String() string {
	out := m.Label
	for _, name := range slices.Sorted(maps.Keys(m.Setting)) {
		out += fmt.Sprintf(" %s %g", name, m.Setting[name])
	}
	return out
}

// Cost is what a training took.
type Cost struct{ CPU, Epoch float64 } // CPU seconds; an epoch's is 0 where there are none

// Model makes a method a model of a trial. items are the catalogue and features the words that an
// item is known by, for methods that use content. spent, if not nil, is told of every training.
func (p *Python) Model(m Method, items []string, features func(itemID string) []string, spent func(Cost)) trial.Model {
	return trial.Model{Name: m.String(), Build: func(ctx context.Context, fold evaluate.Fold) (evaluate.Recommender, error) {
		if m.Name == "lightfm" && p.lightFM != nil {
			return nil, p.lightFM
		}
		dir, err := os.MkdirTemp("", "bench-peer-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		f := newFiles(items, fold)
		if err := f.write(dir, features); err != nil {
			return nil, err
		}
		cost, err := p.train(ctx, m, dir)
		if err != nil {
			return nil, err
		}
		if spent != nil {
			spent(cost)
		}
		return f.scored(dir)
	}}
}

// LightFM reports why LightFM cannot be used; nil: it can.
func (p *Python) LightFM() error { return p.lightFM }

func (p *Python) train(ctx context.Context, m Method, dir string) (cost Cost, err error) {
	program := filepath.Join(dir, "peers.py")
	if err := os.WriteFile(program, script, 0o600); err != nil {
		return cost, err
	}
	args := []string{program, dir, m.Name, strconv.Itoa(m.Factors), strconv.Itoa(p.threads)}
	for _, name := range slices.Sorted(maps.Keys(m.Setting)) {
		args = append(args, fmt.Sprintf("%s=%g", name, m.Setting[name]))
	}
	out, err := output(exec.CommandContext(ctx, p.program(), args...))
	if err != nil {
		return cost, err
	}
	if _, err := fmt.Sscan(string(out), &cost.CPU, &cost.Epoch); err != nil {
		return cost, fmt.Errorf("%s printed %q: %w", m.Name, out, err)
	}
	return cost, nil
}

// question names a case by who asks and how much is known of them.
type question struct {
	actor recsys.Actor
	known int
}

func questionOf(history []recsys.Interaction) question {
	if len(history) == 0 {
		return question{}
	}
	return question{history[0].Actor, len(history)}
}

// files are a fold as the script reads it.
type files struct {
	items     []string
	at        map[string]int
	users     map[recsys.Actor]int
	train     []recsys.Interaction
	questions map[question]int
	histories [][]recsys.Interaction
}

func newFiles(items []string, fold evaluate.Fold) *files {
	f := &files{items: items, at: make(map[string]int, len(items)), users: make(map[recsys.Actor]int), train: fold.Train, questions: make(map[question]int)}
	for i, id := range items {
		f.at[id] = i
	}
	for _, in := range fold.Train {
		if _, ok := f.users[in.Actor]; !ok {
			f.users[in.Actor] = len(f.users)
		}
	}
	for _, stage := range fold.Stages {
		for _, c := range stage.Cases {
			if q := questionOf(c.History); f.questions[q] == 0 {
				f.histories = append(f.histories, c.History)
				f.questions[q] = len(f.histories) // from 1
			}
		}
	}
	return f
}

func (f *files) write(dir string, features func(itemID string) []string) error {
	train := newNumbers(len(f.users), len(f.items))
	for _, in := range f.train {
		train.add(f.users[in.Actor], f.at[in.ItemID])
	}
	query, known := newNumbers(len(f.histories), len(f.items)), newNumbers(1)
	for row, history := range f.histories {
		user := -1
		for _, in := range history {
			query.add(row, f.at[in.ItemID])
			if at, ok := f.users[in.Actor]; ok {
				user = at
			}
		}
		known.add(user)
	}
	words := make(map[string]int)
	content := newNumbers()
	for row, id := range f.items {
		for _, word := range features(id) {
			if _, ok := words[word]; !ok {
				words[word] = len(words)
			}
			content.add(row, words[word])
		}
	}
	content.rows[0] = []int{len(words)}
	for name, t := range map[string]*numbers{"train.csv": train, "query.csv": query, "known.csv": known, "features.csv": content} {
		if err := t.write(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// numbers are rows of numbers after a head.
type numbers struct{ rows [][]int }

func newNumbers(head ...int) *numbers { return &numbers{[][]int{head}} }

func (n *numbers) add(row ...int) { n.rows = append(n.rows, row) }

func (n *numbers) write(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for _, row := range n.rows {
		for k, v := range row {
			if k > 0 {
				w.WriteByte(',')
			}
			w.WriteString(strconv.Itoa(v))
		}
		w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// scored reads the scores and ranks by them.
func (f *files) scored(dir string) (evaluate.Recommender, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "scores.f32"))
	if err != nil {
		return nil, err
	}
	scores, err := vecmath.FromBytes(raw)
	if err != nil {
		return nil, err
	}
	if len(scores) != len(f.items)*len(f.histories) {
		return nil, fmt.Errorf("%d scores, want %d", len(scores), len(f.items)*len(f.histories))
	}
	return &scored{f, scores}, nil
}

// scored is an evaluate.Recommender by scores that are known beforehand.
type scored struct {
	*files
	scores []float32
}

func (s *scored) Rank(_ context.Context, q recsys.RankQuery) ([]recsys.Ranked, error) {
	row, ok := s.questions[questionOf(q.History)]
	if !ok {
		return nil, fmt.Errorf("no scores for %v: %w", questionOf(q.History), recsys.ErrNotFound)
	}
	known := make(map[string]bool, len(q.History))
	for _, in := range q.History {
		known[in.ItemID] = true
	}
	var out []recsys.Ranked
	for i, id := range s.items {
		if !known[id] && (q.Only == nil || q.Only(id)) {
			out = append(out, recsys.Ranked{ItemID: id, Score: float64(s.scores[(row-1)*len(s.items)+i])})
		}
	}
	slices.SortStableFunc(out, func(a, b recsys.Ranked) int { return cmp.Compare(b.Score, a.Score) })
	return out[:min(q.K, len(out))], nil
}
