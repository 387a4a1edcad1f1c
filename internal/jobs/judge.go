package jobs

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/atlas"
	"github.com/seed-473295a7/vitrine/internal/engine"
)

// JudgeSpace lets a space live unless its neighbours share fewer labels than those of the live one, by more
// than one standard error of the paired difference in P@10. Nothing is held against a space that
// follows the bootstrap one, or where no attribute can be asked about.
func JudgeSpace(ctx context.Context, c engine.SpaceCandidate) (engine.SpaceVerdict, error) {
	if c.Live.Bootstrapped() {
		return engine.SpaceVerdict{Passed: true, Reason: "nothing to compare with: no space was fitted before"}, nil
	}
	found, err := atlas.Compare(ctx, atlas.Side{Space: c.Live, Inputs: c.LiveInputs}, atlas.Side{Space: c.New, Inputs: c.NewInputs}, 1)
	if err != nil {
		return engine.SpaceVerdict{}, err
	}
	if len(found.Labels) == 0 {
		return engine.SpaceVerdict{Passed: true, Reason: "nothing to compare on: no attribute is shared by enough items"}, nil
	}
	d := found.All.Difference
	v := engine.SpaceVerdict{Passed: d.Mean >= -d.StdErr, Metrics: make(map[string]engine.Figure)}
	var names []string
	for _, l := range found.Labels {
		v.Metrics["p10 "+l.Name] = engine.Figure{Mean: l.Second.Mean, StdErr: l.Second.StdErr}
		names = append(names, l.Name)
	}
	v.Reason = fmt.Sprintf("P@10 of %s differs from the live space's by %+.4f ± %.4f over %d queries", strings.Join(names, ", "), d.Mean, d.StdErr, d.N)
	return v, nil
}
