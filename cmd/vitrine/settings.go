package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// env names a flag's environment twin.
func env(names ...string) cli.ValueSourceChain { return cli.EnvVars(names...) }

// commonFlags are understood by every command, before or after its name.
func commonFlags() []cli.Flag {
	index := engine.DefaultConfig().Index
	return []cli.Flag{
		&cli.StringFlag{Name: "database-url", Sources: env("DATABASE_URL", "VITRINE_DATABASE_URL"),
			Usage: "PostgreSQL to use; without it a private one is started in the data directory"},
		&cli.StringFlag{Name: "config", Sources: env("VITRINE_CONFIG"), Usage: "YAML file of settings, see docs/vitrine.yaml"},
		&cli.StringFlag{Name: "data-dir", Sources: env("VITRINE_DATA_DIR"), Value: defaultDataDir(),
			Usage: "where the private PostgreSQL and caches live"},
		&cli.StringFlag{Name: "pg-bindir", Sources: env("PG_BINDIR", "VITRINE_PG_BINDIR"),
			Usage: "directory of the PostgreSQL programs; without it they are looked up, else fetched"},
		&cli.StringFlag{Name: "onnxruntime-lib", Sources: env("VITRINE_ONNXRUNTIME_LIB"),
			Usage: "the ONNX Runtime shared library; without it the one that make setup has cached"},
		&cli.StringFlag{Name: "encoder", Sources: env("VITRINE_ENCODER"),
			Usage: "encoder that was added by vitrine model add, or the path of its manifest; without it the built-in one"},
		&cli.StringFlag{Name: "text-encoder", Sources: env("VITRINE_TEXT_ENCODER"),
			Usage: "encoder of titles and descriptions that was added by vitrine model add, the path of its manifest, or minilm, " +
				"which make minilm fetches; without it texts are not embedded"},
		&cli.IntFlag{Name: "encoder-threads", Sources: env("VITRINE_ENCODER_THREADS"), Value: 1,
			Usage: "threads inside one run of the encoder, 1 to 64"},
		&cli.StringFlag{Name: "index-engine", Sources: env("VITRINE_INDEX_ENGINE"), Value: index.Engine,
			Usage: "nearest-neighbour engine: exact, hnsw, auto (hnsw from 20,000 items, exact below) or coder"},
		&cli.IntFlag{Name: "index-m", Sources: env("VITRINE_INDEX_M"), Value: index.M,
			Usage: "links of an item in the hnsw graph, 2 to 64"},
		&cli.IntFlag{Name: "index-ef-construction", Sources: env("VITRINE_INDEX_EF_CONSTRUCTION"), Value: index.EfConstruction,
			Usage: "how wide the search for those links is, up to 4096"},
		&cli.FloatFlag{Name: "index-recall", Sources: env("VITRINE_INDEX_RECALL"), Value: index.TargetRecall,
			Usage: "recall that searches of the graph are made as wide as it takes for, above 0 and below 1"},
		&cli.IntFlag{Name: "index-ef", Sources: env("VITRINE_INDEX_EF"), Value: index.Ef,
			Usage: "how wide searches of the graph are, up to 4096; 0: as --index-recall takes"},
		&cli.FloatFlag{Name: "recall-sample", Sources: env("VITRINE_RECALL_SAMPLE"), Value: engine.DefaultConfig().RecallSample,
			Usage: "share of index searches whose recall a server measures, 0 to 1; it takes a hundredth of one processor at most"},
		&cli.StringSliceFlag{Name: "placement", Sources: env("VITRINE_PLACEMENT"),
			Usage: "dials of a placement, NAME:gain=1.5,cold_share=.1,context_weight=.3; NAME empty for the default; may be repeated"},
		&cli.StringFlag{Name: "log-level", Sources: env("VITRINE_LOG_LEVEL"), Value: "info", Usage: "debug, info, warn or error"},
		&cli.StringFlag{Name: "log-format", Sources: env("VITRINE_LOG_FORMAT"), Value: "text", Usage: "text or json"},
		&cli.BoolFlag{Name: "json", Sources: env("VITRINE_JSON"), Usage: "print results as JSON"},
	}
}

// defaultDataDir is the user's data directory; for root, whose home its unprivileged
// PostgreSQL could not enter, the system's.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/vitrine"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "vitrine")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "vitrine-data"
	}
	return filepath.Join(home, ".local", "share", "vitrine")
}

func newLogger(cmd *cli.Command) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cmd.String("log-level"))); err != nil {
		return nil, fmt.Errorf("--log-level: is %q, want debug, info, warn or error", cmd.String("log-level"))
	}
	options := &slog.HandlerOptions{Level: level}
	switch format := cmd.String("log-format"); format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	default:
		return nil, fmt.Errorf("--log-format: is %q, want text or json", format)
	}
}

func engineConfig(cmd *cli.Command) (engine.Config, error) {
	config := engine.DefaultConfig()
	if name := cmd.String("config"); name != "" {
		var err error
		if config, err = readSettings(name, config); err != nil {
			return config, err
		}
	}
	index := &config.Index
	index.Engine, index.M, index.EfConstruction = cmd.String("index-engine"), cmd.Int("index-m"), cmd.Int("index-ef-construction")
	index.TargetRecall, index.Ef, config.RecallSample = cmd.Float("index-recall"), cmd.Int("index-ef"), cmd.Float("recall-sample")
	for _, text := range cmd.StringSlice("placement") {
		name, dials, err := parsePlacement(text, config.Placements[""])
		if err != nil {
			return config, fmt.Errorf("--placement %q: %w", text, err)
		}
		config.Placements[name] = dials
	}
	return config, config.Validate()
}

// parsePlacement reads NAME:key=value,…; dials that are not named keep those of the default.
func parsePlacement(text string, dials engine.Placement) (string, engine.Placement, error) {
	name, list, ok := strings.Cut(text, ":")
	if !ok {
		return "", dials, fmt.Errorf("want NAME:gain=NUMBER,cold_share=NUMBER,context_weight=NUMBER: %w", recsys.ErrInvalid)
	}
	for pair := range strings.SplitSeq(list, ",") {
		key, value, _ := strings.Cut(pair, "=")
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return "", dials, fmt.Errorf("%s: is %q, want a number: %w", key, value, recsys.ErrInvalid)
		}
		switch key {
		case "gain":
			dials.Gain = number
		case "cold_share":
			dials.ColdShare = number
		case "context_weight":
			dials.ContextWeight = number
		default:
			return "", dials, fmt.Errorf("%q: want gain, cold_share or context_weight: %w", key, recsys.ErrInvalid)
		}
	}
	return name, dials, nil
}
