package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/demo"
	"github.com/seed-473295a7/vitrine/internal/ingest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "load the bundled gallery with its simulated shoppers, train, and serve it",
		Description: "The demo keeps to a database of its own below --data-dir, so that it never mixes with a shop's data;\n" +
			"with --database-url it uses that one and refuses a catalogue that holds other items.",
		Flags:  serveFlags(),
		Action: demoAction,
	}
}

func demoAction(ctx context.Context, cmd *cli.Command) (err error) {
	a, err := openApp(ctx, cmd, filepath.Join(cmd.String("data-dir"), "demo"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := loadDemo(ctx, a); err != nil {
		return err
	}
	return serve(ctx, cmd, a, func() { printTryNext(cmd) })
}

func loadDemo(ctx context.Context, a *app) error {
	if err := refuseOtherCatalogue(ctx, a); err != nil {
		return err
	}
	bar := newProgress()
	config := ingest.DefaultConfig()
	config.Log = a.log
	report, err := demo.Load(ctx, a.engine, config, func(stage string, done, total int64) { bar.update(stage, int(done), int(total)) })
	bar.end()
	if err != nil {
		return fmt.Errorf("load the demo gallery: %w", err)
	}
	if err := a.engine.Sync(ctx); err != nil {
		return err
	}
	if report.Items.Created == 0 && !a.engine.SpaceIsStale() && !a.engine.TrainIsDue() {
		return nil // loaded and trained by an earlier run
	}
	var fitted importReport
	return fitted.fitAndTrain(ctx, a, nil)
}

// refuseOtherCatalogue keeps the demo out of a shop's catalogue.
func refuseOtherCatalogue(ctx context.Context, a *app) error {
	rows, err := a.store.ListItems(ctx, "", 1)
	if err != nil {
		return err
	}
	if len(rows) > 0 && !strings.HasPrefix(rows[0].Item.ItemID, demo.ItemPrefix) {
		return fmt.Errorf("the catalogue holds items that are not the demo's, such as %q; give the demo a database of its own: %w", rows[0].Item.ItemID, recsys.ErrConflict)
	}
	return nil
}

// printTryNext prints calls that work as they stand, on standard output.
func printTryNext(cmd *cli.Command) {
	grpcurl := "grpcurl"
	if _, err := os.Stat(filepath.Join("bin", "grpcurl")); err == nil {
		grpcurl = filepath.Join("bin", "grpcurl")
	}
	call := func(what, body, method string) {
		fmt.Fprintf(cmd.Root().Writer, "\n# %s\n%s -plaintext -d '%s' %s vitrine.v1.%s\n", what, grpcurl, body, cmd.String("listen"), method)
	}
	item, shopper := demo.ItemPrefix+"example", demo.ExampleShopper
	fmt.Fprintln(cmd.Root().Writer, "\nThe demo gallery is being served. Try next, in another terminal:")
	call("what to show to a (simulated) shopper", fmt.Sprintf(`{"user_id":"%s","page_size":5}`, shopper), "RecommenderService/Recommend")
	call("what looks like an item", fmt.Sprintf(`{"item_id":"%s","page_size":5}`, demo.ExampleItem), "RecommenderService/FindSimilarItems")
	call("register a new item", fmt.Sprintf(`{"item":{"item_id":"%s","title":"A new piece","attributes":{"category":{"labels":{"values":["animals"]}}}}}`, item), "RecommenderService/RegisterItem")
	call("the shopper likes it", fmt.Sprintf(`{"interaction":{"user_id":"%s","item_id":"%s","type":"INTERACTION_TYPE_LIKE"}}`, shopper, item), "RecommenderService/RecordInteraction")
	call("what the shopper has done", fmt.Sprintf(`{"user_id":"%s","page_size":5}`, shopper), "CatalogService/ListInteractions")
	fmt.Fprintf(cmd.Root().Writer, "\nMetrics and health: http://%s/metrics http://%s/readyz\nStop with Ctrl-C.\n", cmd.String("http-listen"), cmd.String("http-listen"))
}
