package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func indexCommand() *cli.Command {
	return &cli.Command{
		Name:  "index",
		Usage: "look into the nearest-neighbour index",
		Commands: []*cli.Command{{
			Name:  "check",
			Usage: "print figures of the index and measure its recall; fails if that misses its target",
			Description: "Opens the index as serve does, from the data directory and the database, rebuilds it if\n" +
				"that is due, and compares searches with exact ones, items spread over the catalogue being the\n" +
				"queries. It changes nothing. What a running server measures of live searches is in its metrics.",
			Flags: []cli.Flag{
				&cli.IntFlag{Name: "queries", Value: 500, Usage: "how many searches to compare, 1 to 100000"},
			},
			Action: withApp(checkIndex),
		}},
	}
}

// recallSlack is how far the recall may lie below its target: the target was met on other
// queries, and 500 have a standard error of about .003.
const recallSlack = .01

// indexReport is what index check finds.
type indexReport struct {
	Engine         string  `json:"engine"`
	Items          int     `json:"items"`
	Nodes          int     `json:"nodes"` // 0: there is no graph, searches are exact
	Tail           int     `json:"tail"`
	TombstoneShare float64 `json:"tombstone_share"`
	Ef             int     `json:"ef"`
	Bytes          int     `json:"bytes"`
	Rebuilt        bool    `json:"rebuilt"` // by this check, not where a server sees it
	RecallAt10     float64 `json:"recall_at_10"`
	TargetRecall   float64 `json:"target_recall"`
}

func checkIndex(ctx context.Context, cmd *cli.Command, a *app) error {
	queries := cmd.Int("queries")
	if queries < 1 || queries > 100_000 {
		return recsys.Invalid("--queries", "%d is outside 1 … 100000", queries)
	}
	rebuilt, err := a.engine.RebuildIndex(ctx)
	if err != nil {
		return err
	}
	recall, graph, err := a.engine.CheckRecall(ctx, queries)
	if err != nil {
		return err
	}
	s := a.engine.IndexStats()
	r := indexReport{Engine: a.config.Index.Engine, Items: s.Items, Nodes: s.Nodes, Tail: s.Tail, TombstoneShare: s.DeadShare(), Ef: s.Ef,
		Bytes: s.Bytes, Rebuilt: rebuilt, RecallAt10: recall, TargetRecall: a.config.Index.TargetRecall}
	if err := printResult(cmd, r, "%s", indexTable(r)); err != nil {
		return err
	}
	if graph && recall < r.TargetRecall-recallSlack {
		return fmt.Errorf("recall %.3f misses its target of %.3f", recall, r.TargetRecall)
	}
	return nil
}

func indexTable(r indexReport) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "engine\t%s\nitems\t%d\nnodes of the graph\t%d\n", r.Engine, r.Items, r.Nodes)
	fmt.Fprintf(t, "items outside it\t%d\ntombstone share\t%.3f\n", r.Tail, r.TombstoneShare)
	fmt.Fprintf(t, "memory\t%.1f MB\nrebuild was due\t%v\n", float64(r.Bytes)/1e6, r.Rebuilt)
	if r.Nodes == 0 {
		fmt.Fprintln(t, "recall@10\t1 (searches are exact)")
	} else {
		fmt.Fprintf(t, "search width ef\t%d\nrecall@10\t%.4f (target %.2f)\n", r.Ef, r.RecallAt10, r.TargetRecall)
	}
	t.Flush() // to a strings.Builder, which never fails
	return b.String()
}
