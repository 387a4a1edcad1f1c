package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// pingTimeout bounds how long /readyz waits for the store.
const pingTimeout = 2 * time.Second

// HTTPHandler answers /metrics for Prometheus, /healthz (the process lives) and /readyz (it
// is ready and the store answers; 503 with the reason if not), and with Config.Profiling
// /debug/pprof/.
func (s *Server) HTTPHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.deps.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 8, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, http.StatusOK, healthBody{Status: "alive"})
	})
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.config.Profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// NewHTTPServer returns an HTTP server for a handler of small answers. The caller sets Addr or a
// listener, starts it and shuts it down.
func NewHTTPServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// healthBody is the body of /healthz and /readyz.
type healthBody struct {
	Status string `json:"status"`           // "alive", "ready" or "not ready"
	Reason string `json:"reason,omitempty"` // why it is not
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if !s.ready.Load() {
		writeHealth(w, http.StatusServiceUnavailable, healthBody{Status: "not ready", Reason: "starting or shutting down"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	if err := s.deps.Catalog.Ping(ctx); err != nil {
		s.deps.Log.WarnContext(ctx, "store does not answer", "error", err)
		writeHealth(w, http.StatusServiceUnavailable, healthBody{Status: "not ready", Reason: "the store does not answer"})
		return
	}
	writeHealth(w, http.StatusOK, healthBody{Status: "ready"})
}

func writeHealth(w http.ResponseWriter, code int, body healthBody) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody is left to tell
}
