package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

const (
	recordCallers = 16
	recordTurns   = 2 // of server and pgbench
)

// protocols are how pgbench sends its statement: parsed anew each time, as by default, and prepared.
func protocols() []string { return []string{"simple", "prepared"} }

// recorded is rates by turn.
type recorded struct {
	acknowledged []float64
	inserted     map[string][]float64 // by protocol; empty without pgbench
	all          serving.LoadResult
	spent        spending
	leftOut      error // why there is no pgbench
}

// record lets the server and pgbench write interactions in turns, as many callers each, into
// tables of one shape and size on the same PostgreSQL.
func (b *bench) record(ctx context.Context, s *serving.Server, database string) error {
	r := recorded{inserted: map[string][]float64{}, leftOut: errors.New("--peers=false")}
	if b.opts.peers {
		r.leftOut = b.preparePgbench(ctx, database)
	}
	for turn := range recordTurns {
		progress("RecordInteraction, turn %d of %d", turn+1, recordTurns)
		postgres, client := b.cluster.CPUSeconds(), ownSeconds()
		load, err := b.recordTurn(ctx, s, database)
		if err != nil {
			return err
		}
		r.spent.postgres, r.spent.client = r.spent.postgres+b.cluster.CPUSeconds()-postgres, r.spent.client+ownSeconds()-client
		r.acknowledged = append(r.acknowledged, load.PerSecond())
		r.all.Latencies, r.all.CPU = append(r.all.Latencies, load.Latencies...), r.all.CPU+load.CPU
		if r.leftOut != nil {
			continue
		}
		for _, protocol := range protocols() {
			tps, err := b.pgbench(ctx, protocol, database)
			if err != nil {
				return err
			}
			r.inserted[protocol] = append(r.inserted[protocol], tps)
		}
	}
	r.print(b.report, b.opts.seconds)
	return nil
}

func (r recorded) print(out *serving.Report, turn time.Duration) {
	out.Section(fmt.Sprintf("RecordInteraction: %d concurrent callers, %v a turn", recordCallers, turn))
	out.Value("record_per_s", "acknowledged per second", mean(r.acknowledged), "by turn: "+span(r.acknowledged)+"; every one found in the table")
	out.Value("record_p50_ms", "p50, ms", serving.Quantile(r.all.Latencies, .5), "")
	out.Value("record_p99_ms", "p99, ms", serving.Quantile(r.all.Latencies, .99), "")
	out.Value("record_per_cpu_s", "acknowledged per CPU-second of the server", r.all.PerCPUSecond(), r.spent.each(r.all))
	if r.leftOut != nil {
		out.Text("pgbench", "left out: %v", r.leftOut)
		return
	}
	for _, protocol := range protocols() {
		inserted, name, label := r.inserted[protocol], "pgbench", "pgbench"
		if protocol != protocols()[0] {
			name, label = name+"_"+protocol, label+" -M "+protocol
		}
		ratios := make([]float64, len(inserted))
		for turn := range ratios {
			ratios[turn] = r.acknowledged[turn] / inserted[turn]
		}
		out.Value(name+"_per_s", label+", single-row inserts per second", mean(inserted), "by turn: "+span(inserted))
		out.Value("record_ratio_vs_"+name, "ratio", mean(r.acknowledged)/mean(inserted), "by turn: "+span(ratios))
	}
}

// spending is processor time beside the server's, in seconds.
type spending struct{ postgres, client float64 }

// each says what an interaction took of whom.
func (s spending) each(r serving.LoadResult) string {
	ms := 1e3 / float64(max(len(r.Latencies), 1))
	return fmt.Sprintf("CPU ms each: server %.3f, PostgreSQL %.3f, this client %.3f", r.CPU*ms, s.postgres*ms, s.client*ms)
}

// ownSeconds is the processor time of this process.
func ownSeconds() float64 {
	seconds, err := serving.CPUSeconds(os.Getpid())
	if err != nil {
		return 0
	}
	return seconds
}

// recordTurn is one load; what was acknowledged must be in the table afterwards.
func (b *bench) recordTurn(ctx context.Context, s *serving.Server, database string) (serving.LoadResult, error) {
	before, err := b.countInteractions(ctx, database)
	if err != nil {
		return serving.LoadResult{}, err
	}
	r, err := serving.Load{Callers: recordCallers, Length: b.opts.seconds, Call: b.recordOne(s)}.Run(ctx, s)
	if err != nil {
		return r, fmt.Errorf("RecordInteraction: %w", err)
	}
	after, err := b.countInteractions(ctx, database)
	if err == nil && after-before != len(r.Latencies) {
		err = fmt.Errorf("RecordInteraction: %d acknowledged, %d stored", len(r.Latencies), after-before)
	}
	return r, err
}

// recordOne is a view of a random item by a random user.
func (b *bench) recordOne(s *serving.Server) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		rng := rand.New(rand.NewPCG(b.opts.seed, uint64(n)))
		_, err := s.Client.RecordInteraction(ctx, &pb.RecordInteractionRequest{Interaction: &pb.Interaction{
			Actor:  &pb.Interaction_UserId{UserId: b.pack.users[rng.IntN(len(b.pack.users))]},
			ItemId: b.pack.items[rng.IntN(len(b.pack.items))],
			Type:   pb.InteractionType_INTERACTION_TYPE_VIEW,
		}})
		return err
	}
}

func (b *bench) countInteractions(ctx context.Context, database string) (n int, err error) {
	err = b.cluster.With(ctx, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT count(*) FROM interaction`).Scan(&n)
	})
	return n, err
}

// preparePgbench makes a table like that of the interactions, with its indexes, rules and rows.
func (b *bench) preparePgbench(ctx context.Context, database string) error {
	if b.cluster.PGBench == "" {
		return errors.New("it is not beside the server's programs")
	}
	script := fmt.Sprintf(`\set user random(1, %d)
\set item random(1, %d)
INSERT INTO pgbench_interaction (user_id, item_id, type, value, event_time, recommendation_id, seq)
VALUES (:user::text, :item::text, 1, 0, now(), '', 1);
`, len(b.pack.users), len(b.pack.items))
	if err := os.WriteFile(b.pgbenchScript(), []byte(script), 0o644); err != nil {
		return err
	}
	return b.cluster.With(ctx, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `CREATE TABLE pgbench_interaction (LIKE interaction INCLUDING ALL);
			INSERT INTO pgbench_interaction OVERRIDING USER VALUE SELECT * FROM interaction;
			ANALYZE pgbench_interaction`)
		return err
	})
}

func (b *bench) pgbenchScript() string { return filepath.Join(b.dir, "insert.sql") }

// pgbench returns inserts per second.
func (b *bench) pgbench(ctx context.Context, protocol, database string) (float64, error) {
	cmd := serving.Command(ctx, b.cluster.PGBench, "-n", "-M", protocol, "-c", strconv.Itoa(recordCallers), "-j", "2",
		"-T", strconv.Itoa(int(b.opts.seconds.Seconds())), "-f", b.pgbenchScript(), database)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w", serving.WithOutput(err, string(out)))
	}
	return parsePgbench(string(out))
}

// parsePgbench finds the rate without the time to connect; releases before 14 print another
// line with it.
func parsePgbench(out string) (float64, error) {
	match := regexp.MustCompile(`(?m)^tps = ([0-9.]+) \((without initial connection|excluding connections)`).FindStringSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("pgbench printed no tps: %s", strings.TrimSpace(out))
	}
	return strconv.ParseFloat(match[1], 64)
}
