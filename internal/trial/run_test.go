package trial

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func run(t *testing.T, catalog Catalog, log []recsys.Interaction, protocol string, only ...string) *evaluate.Report {
	t.Helper()
	report, err := Run(t.Context(), catalog, log, Options{Protocol: protocol, Config: testConfig(), Log: evaluate.DefaultLogConfig(), Folds: 1, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func mean(t *testing.T, r *evaluate.Report, stage, model, metric string) evaluate.Metric {
	t.Helper()
	m, ok := r.Metric(stage, model, metric)
	if !ok {
		t.Fatalf("%s has no %s of %s at %s", r.Protocol, metric, model, stage)
	}
	return m
}

// On planted tastes every protocol must find them, and the blend must not lose to its parts.
func TestProtocolsFindPlantedTastes(t *testing.T) {
	t.Parallel()
	items, log := plantedShop(300, 200, .9, .8)
	catalog := catalogOf(t, items)
	for protocol, stage := range map[string]string{NewUsers: "new users", TimeSplit: "what comes next", NewUserCurve: "k = 4"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := run(t, catalog, log, protocol)
			served := mean(t, r, stage, Served, evaluate.MetricNDCG100)
			for _, part := range []string{Popularity, ContentOnly, CFOnly} {
				m := mean(t, r, stage, part, evaluate.MetricNDCG100)
				if m.Difference == nil || m.Difference.Mean > 2*m.Difference.StdErr {
					t.Errorf("served %.3f loses to %s, %.3f, by %+v", served.Mean, part, m.Mean, m.Difference)
				}
			}
			if popular := mean(t, r, stage, Popularity, evaluate.MetricNDCG100); served.Mean < popular.Mean+.1 {
				t.Errorf("served reaches %.3f, popularity %.3f: the tastes are not found", served.Mean, popular.Mean)
			}
		})
	}
	t.Run(ColdItems, func(t *testing.T) {
		t.Parallel()
		r := run(t, catalog, log, ColdItems)
		served := mean(t, r, "new items only", Served, evaluate.MetricNDCG10)
		if bare := mean(t, r, "new items only", CFOnly, evaluate.MetricNDCG10); served.Mean < bare.Mean+.2 {
			t.Errorf("new items: served reaches %.3f, without content %.3f", served.Mean, bare.Mean)
		}
		if share := mean(t, r, "all items", Served, evaluate.MetricColdShare); share.Mean <= 0 || share.Mean > .5 {
			t.Errorf("new items take %.3f of the places, want some and not most", share.Mean)
		}
	})
}

// A new item must not sink as people find it.
func TestNewItemsRiseAsPeopleFindThem(t *testing.T) {
	t.Parallel()
	items, log := plantedShop(600, 80, .9, .25)
	r := run(t, catalogOf(t, items), log, ColdToWarm, Served, CFOnly)
	first := mean(t, r, "n = 0", Served, evaluate.MetricMixed).Mean
	for _, stage := range r.Stages {
		auc, bare := mean(t, r, stage.Name, Served, evaluate.MetricAUC).Mean, mean(t, r, stage.Name, CFOnly, evaluate.MetricAUC).Mean
		mixed := mean(t, r, stage.Name, Served, evaluate.MetricMixed).Mean
		if auc < bare-.005 || mixed < first-.05 {
			t.Errorf("%s: AUC %.3f (without content %.3f), recall in mixed lists %.3f (%.3f at first)", stage.Name, auc, bare, mixed, first)
		}
	}
}

// Where people like at random nothing can be found: whatever is found has leaked. This runs the
// whole path, from the split to the ranking of the engine.
func TestNothingIsFoundWhereThereIsNothing(t *testing.T) {
	t.Parallel()
	items, log := plantedShop(300, 80, 0, .2)
	r := run(t, catalogOf(t, items), log, NewUsers, Served)
	recall := mean(t, r, "new users", Served, evaluate.MetricRecall20)
	chance := 20. / (80 - 16) // a fifth of the items is known and masked
	if recall.Mean > chance+4*recall.StdErr+.02 {
		t.Errorf("recall is %.3f ± %.3f where chance gives %.3f", recall.Mean, recall.StdErr, chance)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	items, log := plantedShop(60, 40, .9, .25)
	catalog := catalogOf(t, items)
	for name, o := range map[string]Options{
		"unknown protocol": {Protocol: "tea-leaves"},
		"unknown model":    {Protocol: NewUsers, Only: []string{"oracle"}},
		"too little":       {Protocol: ColdToWarm},
	} {
		o.Config, o.Log = testConfig(), evaluate.DefaultLogConfig()
		if report, err := Run(t.Context(), catalog, log, o); !errors.Is(err, recsys.ErrInvalid) || report != nil {
			t.Errorf("%s: report %v, error %v, want none and ErrInvalid", name, report != nil, err)
		}
	}
	if _, err := Run(t.Context(), catalogOf(t, nil), nil, Options{Protocol: NewUsers, Config: testConfig(), Log: evaluate.DefaultLogConfig()}); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("an empty shop: error %v, want ErrInvalid", err)
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	items, log := plantedShop(300, 200, .9, .8)
	catalog := catalogOf(t, items)
	good := testConfig()
	bad := good
	bad.Recipe.ALS.Epochs, bad.Recipe.ALS.Factors, bad.Recipe.CorrectorWeight = 1, 1, 0
	gate := func(config engine.Config, live *engine.Recipe) engine.Verdict {
		t.Helper()
		v, err := Gate(t.Context(), catalog, log, config, live, silent)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := gate(good, nil); !v.Passed || v.New == nil || v.Cases < 20 || v.Difference != nil {
		t.Errorf("nothing live: %+v", v)
	}
	if v := gate(good, &good.Recipe); !v.Passed || v.Difference != nil {
		t.Errorf("the same recipe: %+v", v)
	}
	if v := gate(bad, &good.Recipe); v.Passed || v.Live == nil || v.Difference.Mean > -v.Difference.StdErr || !strings.Contains(v.Reason, "differs") {
		t.Errorf("a bad recipe after a good one: %+v", v)
	}
	if v := gate(good, &bad.Recipe); !v.Passed || v.Difference.Mean <= 0 {
		t.Errorf("a good recipe after a bad one: %+v", v)
	}
	v, err := Gate(t.Context(), catalog, log[:30], good, &bad.Recipe, silent)
	if err != nil || !v.Passed || v.New != nil || !strings.Contains(v.Reason, "too little") {
		t.Errorf("too little to tell: %+v, %v", v, err)
	}
}
