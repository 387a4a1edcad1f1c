package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/jobs"
	"github.com/seed-473295a7/vitrine/internal/server"
)

func serveFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "listen", Sources: env("VITRINE_LISTEN"), Value: "127.0.0.1:7700", Usage: "address of the gRPC port"},
		&cli.StringFlag{Name: "http-listen", Sources: env("VITRINE_HTTP_LISTEN"), Value: "127.0.0.1:7701", Usage: "address of the HTTP port: /metrics, /healthz, /readyz"},
		&cli.DurationFlag{Name: "train-period", Sources: env("VITRINE_TRAIN_PERIOD"), Value: time.Minute, Usage: "how often to look whether training is due"},
		&cli.DurationFlag{Name: "index-save-period", Sources: env("VITRINE_INDEX_SAVE_PERIOD"), Value: time.Hour, Usage: "how often the index is saved in the data directory, besides after a rebuild and at the end"},
		&cli.BoolFlag{Name: "pprof", Sources: env("VITRINE_PPROF"), Usage: "serve profiles at /debug/pprof/ of the HTTP port, to whoever reaches it"},
		&cli.DurationFlag{Name: "drain-timeout", Sources: env("VITRINE_DRAIN_TIMEOUT"), Value: 20 * time.Second, Usage: "how long requests under way may take when stopping"},
	}
}

func serveCommand() *cli.Command {
	return &cli.Command{Name: "serve", Usage: "serve gRPC until interrupted", Flags: serveFlags(), Action: func(ctx context.Context, cmd *cli.Command) (err error) {
		a, err := openApp(ctx, cmd, cmd.String("data-dir"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.close()) }()
		return serve(ctx, cmd, a, func() {})
	}}
}

// serve answers on both ports and runs the jobs until ctx ends, then stops in order: not
// serving, drain, jobs, saving the index; the caller closes the app. ready is called once both ports listen.
func serve(ctx context.Context, cmd *cli.Command, a *app, ready func()) error {
	listener, err := net.Listen("tcp", cmd.String("listen"))
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	httpListener, err := net.Listen("tcp", cmd.String("http-listen"))
	if err != nil {
		return errors.Join(fmt.Errorf("--http-listen: %w", err), listener.Close())
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(engineMetrics(a.engine)...)
	registry.MustRegister(a.stages.seconds)
	config := server.DefaultConfig()
	config.Profiling = cmd.Bool("pprof")
	srv, err := server.New(config, server.Deps{Engine: a.engine, Catalog: a.store, Models: a.engine, Runs: a.store,
		Features: engine.NewFeatures(a.engine, a.store), Registry: registry, Log: a.log, Clock: time.Now})
	if err != nil {
		return errors.Join(err, listener.Close(), httpListener.Close())
	}
	web := server.NewHTTPServer(srv.HTTPHandler())
	failed := make(chan error, 2)
	go func() { failed <- srv.Serve(listener) }()
	go func() { failed <- web.Serve(httpListener) }()

	jobsContext, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	jobsDone := make(chan struct{})
	go func() {
		defer close(jobsDone)
		jobs.Run(jobsContext, a.log, jobs.SyncIndex(a.engine, a.store), jobs.FoldIn(a.engine),
			jobs.Train(a.trainer(), a.log, cmd.Duration("train-period")), jobs.Runs(a.trainer(), a.store, jobs.JudgeSpace, a.log),
			jobs.KeepIndex(a.engine, cmd.Duration("index-save-period")), jobs.MeasureRecall(a.engine))
	}()
	srv.SetReady(true)
	a.log.Info("serving", "grpc", listener.Addr().String(), "http", httpListener.Addr().String(), "version", version)
	ready()

	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	a.log.Info("stopping")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmd.Duration("drain-timeout"))
	defer cancel()
	srv.Shutdown(drain)
	stopJobs()
	<-jobsDone
	return errors.Join(err, web.Shutdown(drain), a.engine.SaveIndex())
}
