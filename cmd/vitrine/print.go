package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v3"
)

// printResult prints a command's result: value as JSON with --json, else the text.
func printResult(cmd *cli.Command, value any, format string, args ...any) error {
	out := cmd.Root().Writer
	if cmd.Bool("json") {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	}
	_, err := fmt.Fprintf(out, format, args...)
	return err
}
