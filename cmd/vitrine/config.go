package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// fileSettings is what the file of --config may hold; docs/vitrine.yaml explains every line.
type fileSettings struct {
	Events             engine.Events    `yaml:"events"`
	Training           trainingSettings `yaml:"training"`
	Placements         map[string]dials `yaml:"placements"`
	ExploreHalfLife    time.Duration    `yaml:"explore_half_life"`
	PopularityHalfLife time.Duration    `yaml:"popularity_half_life"`
	NewnessHalfLife    time.Duration    `yaml:"newness_half_life"`
}

type trainingSettings struct {
	ALS             als.Config          `yaml:"als"`
	Corrector       als.CorrectorConfig `yaml:"corrector"`
	CorrectorWeight float64             `yaml:"corrector_weight"`
	Retrain         engine.Retrain      `yaml:"retrain"`
}

// dials are a placement's; what a file does not name is as in the default placement.
type dials engine.Placement

// UnmarshalYAML decodes over the defaults.
func (d *dials) UnmarshalYAML(unmarshal func(any) error) error {
	plain := engine.DefaultConfig().Placements[""]
	if err := unmarshal(&plain); err != nil {
		return err
	}
	*d = dials(plain)
	return nil
}

// settingsOf is the part of a configuration that a file may set.
func settingsOf(c engine.Config) fileSettings {
	placements := make(map[string]dials, len(c.Placements))
	for name, p := range c.Placements {
		placements[name] = dials(p)
	}
	return fileSettings{Events: c.Recipe.Events, Placements: placements,
		Training:        trainingSettings{ALS: c.Recipe.ALS, Corrector: c.Recipe.Corrector, CorrectorWeight: c.Recipe.CorrectorWeight, Retrain: c.Retrain},
		ExploreHalfLife: c.ExploreHalfLife, PopularityHalfLife: c.PopularityHalfLife, NewnessHalfLife: c.NewnessHalfLife}
}

// apply brings the settings into a configuration.
func (s fileSettings) apply(c *engine.Config) {
	c.Recipe = engine.Recipe{Events: s.Events, ALS: s.Training.ALS, Corrector: s.Training.Corrector, CorrectorWeight: s.Training.CorrectorWeight}
	c.Retrain, c.Placements = s.Training.Retrain, make(map[string]engine.Placement, len(s.Placements))
	for name, d := range s.Placements {
		c.Placements[name] = engine.Placement(d)
	}
	c.ExploreHalfLife, c.PopularityHalfLife, c.NewnessHalfLife = s.ExploreHalfLife, s.PopularityHalfLife, s.NewnessHalfLife
}

// readSettings reads a settings file over the defaults; a name it does not know is a fault.
func readSettings(name string, over engine.Config) (engine.Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return over, err
	}
	settings := settingsOf(over)
	before := settings.Placements
	settings.Placements = nil
	var something any
	if err := yaml.Unmarshal(text, &something); err == nil && something == nil {
		return over, nil // nothing but comments, which the decoder would take for zeros
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&settings); err != nil {
		return over, fmt.Errorf("%s: %w: %w", name, recsys.ErrInvalid, err)
	}
	maps.Copy(before, settings.Placements)
	settings.Placements = before
	settings.apply(&over)
	if err := over.Validate(); err != nil {
		return over, fmt.Errorf("%s: %w", name, err)
	}
	return over, nil
}

func configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "show settings",
		Commands: []*cli.Command{{
			Name:  "print",
			Usage: "print the settings in force, from flags, environment and --config; secrets are hidden",
			Action: func(_ context.Context, cmd *cli.Command) error {
				config, err := engineConfig(cmd)
				if err != nil {
					return err
				}
				flags := make(map[string]any)
				for _, f := range commonFlags() {
					flags[f.Names()[0]] = cmd.Value(f.Names()[0])
				}
				flags["database-url"] = withoutPassword(cmd.String("database-url"))
				all := struct {
					Flags        map[string]any `yaml:"flags"`
					fileSettings `yaml:",inline"`
				}{flags, settingsOf(config)}
				return yaml.NewEncoder(cmd.Root().Writer).Encode(all)
			},
		}},
	}
}

// withoutPassword hides the password of a connection string; one in another form than a URL is
// hidden whole.
func withoutPassword(dsn string) string {
	if dsn == "" {
		return ""
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme == "" {
		return "(hidden)"
	}
	query := u.Query()
	for _, secret := range []string{"password", "sslpassword"} {
		if query.Has(secret) {
			query.Set(secret, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}
