// Command vitrine is the recommender: server, importer and trainer in one binary.
//
// This package is the only place that reads flags and environment variables and that wires the
// internal packages together; it holds no logic of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"
)

// version is set by the linker: make build.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().Run(ctx, os.Args)
	stop()
	if err == nil {
		return
	}
	var exit cli.ExitCoder
	if errors.As(err, &exit) {
		if text := exit.Error(); text != "" {
			fmt.Fprintln(os.Stderr, "vitrine:", text)
		}
		os.Exit(exit.ExitCode())
	}
	fmt.Fprintln(os.Stderr, "vitrine:", err)
	os.Exit(1)
}

func command() *cli.Command {
	return &cli.Command{
		Name:  "vitrine",
		Usage: "self-hosted recommendations for shops and galleries, over gRPC",
		Flags: commonFlags(),
		Commands: []*cli.Command{
			serveCommand(), demoCommand(), importCommand(), trainCommand(), embedCommand(), evaluateCommand(), modelCommand(),
			indexCommand(), exportCommand(), configCommand(),
			migrateCommand(), healthCommand(), versionCommand(),
		},
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // main prints and exits
	}
}
