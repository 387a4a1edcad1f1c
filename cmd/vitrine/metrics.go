package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-473295a7/vitrine/internal/engine"
)

// stageMeter is the engine's Meter.
type stageMeter struct{ seconds *prometheus.HistogramVec }

func newStageMeter() stageMeter {
	return stageMeter{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "vitrine_stage_seconds", Help: "Duration of the stages of requests, by call and stage.",
		Buckets: prometheus.ExponentialBuckets(0.00002, 2, 16)}, []string{"call", "stage"})}
}

// Stage counts one stage.
func (m stageMeter) Stage(call, stage string, took time.Duration) {
	m.seconds.WithLabelValues(call, stage).Observe(took.Seconds())
}

// engineMetrics tells what the live State holds.
func engineMetrics(e *engine.Engine) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		counter("vitrine_unseen_values_total", "Labels of written items that the embedding space has no place for.",
			func() float64 { return float64(e.Stats().UnseenValues) }),
		counter("vitrine_wrong_attributes_total", "Attributes of written items that are of another kind than in the embedding space.",
			func() float64 { return float64(e.Stats().WrongAttributes) }),
		gauge("vitrine_items", "Registered items in memory.", func() float64 { return float64(e.Stats().Items) }),
		gauge("vitrine_fold_in_pending", "Items whose factors wait to be folded in.", func() float64 { return float64(e.Stats().Pending) }),
		gauge("vitrine_index_vectors", "Items with an embedding in the index.", func() float64 { return float64(e.IndexStats().Items) }),
		gauge("vitrine_index_nodes", "Distinct vectors in the graph of the index; 0 without a graph.", func() float64 { return float64(e.IndexStats().Nodes) }),
		gauge("vitrine_index_tail", "Items outside the graph, which every search scans.", func() float64 { return float64(e.IndexStats().Tail) }),
		gauge("vitrine_index_tombstone_share", "Share of the graph's items that are gone or have another vector by now.",
			func() float64 { return e.IndexStats().DeadShare() }),
		gauge("vitrine_index_bytes", "Memory of vectors, codes and links.", func() float64 { return float64(e.IndexStats().Bytes) }),
		gauge("vitrine_index_recall_at_10", "Mean recall@10 of the last 1000 sampled searches of a graph; NaN before the first.", func() float64 {
			mean, _ := e.Recall()
			return mean
		}),
		counter("vitrine_index_recall_samples_total", "Searches whose recall was measured.", func() float64 {
			_, samples := e.Recall()
			return float64(samples)
		}),
	}
}
