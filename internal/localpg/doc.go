// Package localpg runs a private PostgreSQL for an installation that was given
// no DATABASE_URL.
//
// It finds the server's programs (or fetches them), makes the cluster, starts the
// server, attaches to one that another process started, and brings it back when
// it is lost. It does not know the schema, holds no connection and never listens
// on a network: clients come through a unix socket in a directory that only the
// server's account (and root) can enter.
//
// A data directory looks like this:
//
//	DIR/start.lock    flock of the process that is initialising or starting
//	DIR/server.lock   flock inherited by the server and by each of its backends
//	DIR/data/         the cluster; data.new while initdb is at work
//	DIR/run/          the socket (below /tmp when DIR is too long for one)
//	DIR/postgres.log  the server's log, and postgres.log.1 before it
//	DIR/postgresql/   fetched programs, when no other cache is configured
//
// Invariant: at most one server, and no process of an earlier one, runs on a
// cluster. It rests on server.lock: PostgreSQL keeps unknown descriptors open, so
// the kernel holds that lock for as long as any process of the server or of initdb
// lives and frees it however they die. A pid file alone proves nothing after a
// kill -9, least of all in containers, where the same few pids come round again.
//
// The process that starts the server owns it: on Linux the server shuts down when
// its owner ends, by whatever cause (PR_SET_PDEATHSIG, see prctl(2) and
// golang.org/issue/27505). Others that were attached start it again with Ensure.
package localpg
