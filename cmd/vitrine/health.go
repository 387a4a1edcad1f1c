package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// healthCommand is what a container's health check runs: the image holds no HTTP client.
func healthCommand() *cli.Command {
	return &cli.Command{
		Name:  "health",
		Usage: "ask a server on this machine whether it is ready; the exit status tells",
		Flags: []cli.Flag{&cli.StringFlag{Name: "http-listen", Sources: env("VITRINE_HTTP_LISTEN"), Value: "127.0.0.1:7701", Usage: "address of the server's HTTP port"}},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			host, port, err := net.SplitHostPort(cmd.String("http-listen"))
			if err != nil {
				return fmt.Errorf("--http-listen: %w", err)
			}
			if host == "" || net.ParseIP(host).IsUnspecified() {
				host = "127.0.0.1"
			}
			return askReady(ctx, cmd, net.JoinHostPort(host, port))
		},
	}
}

func askReady(ctx context.Context, cmd *cli.Command, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(body)))
	}
	return printResult(cmd, map[string]bool{"ready": true}, "ready\n")
}
