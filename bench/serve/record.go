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

	"github.com/jackc/pgx/v5"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

const (
	recordCallers = 16
	recordTurns   = 2 // of server and pgbench
)

// record lets the server and pgbench write interactions in turns, as many callers each, into
// tables of one shape and size on the same PostgreSQL.
func (b *bench) record(ctx context.Context, s *server, database string) error {
	leftOut := errors.New("--peers=false")
	if b.opts.peers {
		leftOut = b.preparePgbench(ctx, database)
	}
	var acknowledged, inserted, ratios []float64
	var all loadResult
	var spent spending
	for turn := range recordTurns {
		progress("RecordInteraction, turn %d of %d", turn+1, recordTurns)
		postgres, client := b.cluster.cpuSeconds(), ownSeconds()
		r, err := b.recordTurn(ctx, s, database)
		if err != nil {
			return err
		}
		spent.postgres, spent.client = spent.postgres+b.cluster.cpuSeconds()-postgres, spent.client+ownSeconds()-client
		acknowledged = append(acknowledged, r.perSecond())
		all.latencies, all.wall, all.cpu = append(all.latencies, r.latencies...), all.wall+r.wall, all.cpu+r.cpu
		if leftOut != nil {
			continue
		}
		tps, err := b.pgbench(ctx, database)
		if err != nil {
			return err
		}
		inserted = append(inserted, tps)
		ratios = append(ratios, r.perSecond()/tps)
	}
	out := b.report
	out.section(fmt.Sprintf("RecordInteraction: %d concurrent callers, %v a turn", recordCallers, b.opts.seconds))
	out.value("record_per_s", "acknowledged per second", mean(acknowledged), "by turn: "+span(acknowledged)+"; every one found in the table")
	out.value("record_p50_ms", "p50, ms", quantile(all.latencies, .5), "")
	out.value("record_p99_ms", "p99, ms", quantile(all.latencies, .99), "")
	out.value("record_per_cpu_s", "acknowledged per CPU-second of the server", all.perCPUSecond(), spent.each(all))
	if leftOut != nil {
		out.text("pgbench", "left out: %v", leftOut)
		return nil
	}
	out.value("pgbench_per_s", "pgbench, single-row inserts per second", mean(inserted), "by turn: "+span(inserted))
	out.value("record_ratio_vs_pgbench", "ratio", mean(acknowledged)/mean(inserted), "by turn: "+span(ratios))
	return nil
}

// spending is processor time beside the server's, in seconds.
type spending struct{ postgres, client float64 }

// each says what an interaction took of whom.
func (s spending) each(r loadResult) string {
	ms := 1e3 / float64(max(len(r.latencies), 1))
	return fmt.Sprintf("CPU ms each: server %.3f, PostgreSQL %.3f, this client %.3f", r.cpu*ms, s.postgres*ms, s.client*ms)
}

// ownSeconds is the processor time of this process.
func ownSeconds() float64 {
	seconds, err := cpuSeconds(os.Getpid())
	if err != nil {
		return 0
	}
	return seconds
}

// recordTurn is one load; what was acknowledged must be in the table afterwards.
func (b *bench) recordTurn(ctx context.Context, s *server, database string) (loadResult, error) {
	before, err := b.countInteractions(ctx, database)
	if err != nil {
		return loadResult{}, err
	}
	r, err := load{callers: recordCallers, length: b.opts.seconds, call: b.recordOne(s)}.run(ctx, s)
	if err != nil {
		return r, fmt.Errorf("RecordInteraction: %w", err)
	}
	after, err := b.countInteractions(ctx, database)
	if err == nil && after-before != len(r.latencies) {
		err = fmt.Errorf("RecordInteraction: %d acknowledged, %d stored", len(r.latencies), after-before)
	}
	return r, err
}

// recordOne is a view of a random item by a random user.
func (b *bench) recordOne(s *server) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		rng := rand.New(rand.NewPCG(b.opts.seed, uint64(n)))
		_, err := s.client.RecordInteraction(ctx, &pb.RecordInteractionRequest{Interaction: &pb.Interaction{
			Actor:  &pb.Interaction_UserId{UserId: b.pack.users[rng.IntN(len(b.pack.users))]},
			ItemId: b.pack.items[rng.IntN(len(b.pack.items))],
			Type:   pb.InteractionType_INTERACTION_TYPE_VIEW,
		}})
		return err
	}
}

func (b *bench) countInteractions(ctx context.Context, database string) (n int, err error) {
	err = b.cluster.with(ctx, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT count(*) FROM interaction`).Scan(&n)
	})
	return n, err
}

// preparePgbench makes a table like that of the interactions, with its indexes, rules and rows.
func (b *bench) preparePgbench(ctx context.Context, database string) error {
	if b.cluster.pgbench == "" {
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
	return b.cluster.with(ctx, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `CREATE TABLE pgbench_interaction (LIKE interaction INCLUDING ALL);
			INSERT INTO pgbench_interaction OVERRIDING USER VALUE SELECT * FROM interaction;
			ANALYZE pgbench_interaction`)
		return err
	})
}

func (b *bench) pgbenchScript() string { return filepath.Join(b.dir, "insert.sql") }

// pgbench returns inserts per second.
func (b *bench) pgbench(ctx context.Context, database string) (float64, error) {
	cmd := command(ctx, b.cluster.pgbench, "-n", "-M", "prepared", "-c", strconv.Itoa(recordCallers), "-j", "2",
		"-T", strconv.Itoa(int(b.opts.seconds.Seconds())), "-f", b.pgbenchScript(), database)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w", withOutput(err, string(out)))
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
