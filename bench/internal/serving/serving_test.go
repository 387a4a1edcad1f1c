package serving

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const line = "42 (a (b) c) S 7 42 42 0 -1 4194560 100 200 0 0 1250 250 30 20 20 0 5 0 99 1000 10\n"
	got, err := parseStat(line)
	if err != nil {
		t.Fatal(err)
	}
	want := usage{parent: 7, own: 15, children: .5}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(usage{})); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "42 (x) S 7", strings.Replace(line, "1250", "x", 1), strings.Replace(line, ")", "", 2)} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestProcessOfItsOwn(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	for { // work until the kernel's coarse clock has moved
		own, err := CPUSeconds(pid)
		if err != nil {
			t.Fatal(err)
		}
		if own > 0 && familySeconds(pid) >= own {
			break
		}
	}
	if mb, err := residentMB(pid); err != nil || mb <= 0 {
		t.Errorf("resident memory %v, %v", mb, err)
	}
}

func TestParseRSS(t *testing.T) {
	t.Parallel()
	got, err := parseRSS("Name:\tvitrine\nVmHWM:\t  9000 kB\nVmRSS:\t    2048 kB\n")
	if err != nil || got != 2 {
		t.Errorf("%v MiB, %v; want 2", got, err)
	}
	if _, err := parseRSS("Name:\tvitrine\n"); err == nil {
		t.Error("no VmRSS is no error")
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", .012345: "0.01235", 1.23456: "1.235", 12.3456: "12.35", 99999.4: "99999", -2: "-2.000"} {
		if got := Number(v); got != want {
			t.Errorf("%v prints as %q, want %q", v, got, want)
		}
	}
}

func TestAwaitServing(t *testing.T) {
	t.Parallel()
	log := `{"level":"INFO","msg":"migrated"}` + "\nplain text\n" + `{"level":"INFO","msg":"serving","grpc":"127.0.0.1:4711","http":"127.0.0.1:1"}` + "\n"
	got, web, err := awaitServing(bufio.NewReader(strings.NewReader(log)))
	if err != nil || got != "127.0.0.1:4711" || web != "127.0.0.1:1" {
		t.Errorf("%q, %q, %v; want 127.0.0.1:4711 and :1", got, web, err)
	}
	_, _, err = awaitServing(bufio.NewReader(strings.NewReader("a\nvitrine: no encoder\n")))
	if err == nil || !strings.Contains(err.Error(), "no encoder") {
		t.Errorf("error %v, want the last line", err)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for k := 100; k > 0; k-- {
		times = append(times, time.Duration(k)*time.Millisecond)
	}
	for q, want := range map[float64]float64{0: 1, .5: 50, .99: 99, 1: 100} {
		if got := Quantile(times, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := Quantile(nil, .5); got != 0 {
		t.Errorf("quantile of nothing is %v", got)
	}
}

func TestParseMetrics(t *testing.T) {
	t.Parallel()
	const text = "# HELP a_total x\na_total{stage=\"scan\",le=\"1 s\"} 12\na_sum 1.5e-3\nb 1\n"
	got, err := parseMetrics(strings.NewReader(text), "a_")
	if diff := cmp.Diff(map[string]float64{`a_total{stage="scan",le="1 s"}`: 12, "a_sum": .0015}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := parseMetrics(strings.NewReader("a one\n"), "a"); err == nil {
		t.Error("a word is no error")
	}
}

// A paced request's latency is never shorter than the call, and counts the waiting of the client.
func TestPacedLatency(t *testing.T) {
	t.Parallel()
	own, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const takes = 2 * time.Millisecond
	p := Paced{Rate: 200, Length: 200 * time.Millisecond, Seed: 1, Call: func(context.Context, int) error {
		time.Sleep(takes)
		return nil
	}}
	r, err := p.Run(t.Context(), &Server{cmd: &exec.Cmd{Process: own}})
	if err != nil || len(r.Latencies) < 10 || slices.Min(r.Latencies) < takes {
		t.Errorf("%d requests, the shortest %v, %v", len(r.Latencies), slices.Min(r.Latencies), err)
	}
}
