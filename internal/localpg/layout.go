package localpg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// superuser is the one role of the cluster. Its clients need no password: who can
// enter the socket's directory is the server's account or root.
const superuser = "vitrine"

// socketName is what the server makes in its socket directory.
const socketName = ".s.PGSQL.5432"

// maxSocketPath is what sockaddr_un holds on the meanest system (104 bytes with
// the closing NUL on macOS, 108 on Linux).
const maxSocketPath = 103

// layout is the set of paths below one data directory, all absolute and without
// symbolic links.
type layout struct {
	root       string
	data       string
	socket     string // directory of the socket
	startLock  string
	serverLock string
	log        string
}

// newLayout expects root to be absolute and resolved.
func newLayout(root string, acct account) layout {
	return layout{
		root:       root,
		data:       filepath.Join(root, "data"),
		socket:     socketDir(root, acct),
		startLock:  filepath.Join(root, "start.lock"),
		serverLock: filepath.Join(root, "server.lock"),
		log:        filepath.Join(root, "postgres.log"),
	}
}

// socketDir is root/run, or a short name of its own under /tmp when the socket's
// path would not fit (or holds a comma, which separates hosts in a DSN). Not
// os.TempDir: every process that shares root must arrive at the same directory,
// whatever its TMPDIR, and macOS' own is half the length there is.
func socketDir(root string, acct account) string {
	dir := filepath.Join(root, "run")
	if len(dir)+len("/"+socketName) <= maxSocketPath && !strings.Contains(dir, ",") {
		return dir
	}
	sum := sha256.Sum256([]byte(root))
	return fmt.Sprintf("/tmp/vitrine-%d-%s", acct.uid, hex.EncodeToString(sum[:8]))
}

// prepare makes the directories and checks that the account can use them.
func (l layout) prepare(acct account) error {
	if err := acct.enter(l.root); err != nil {
		return err
	}
	if st, err := os.Stat(l.data); err == nil {
		if uid := int(st.Sys().(*syscall.Stat_t).Uid); uid != acct.uid {
			return fmt.Errorf("%w: %s belongs to uid %d, this is uid %d; run as the account that made it",
				ErrDirectory, l.data, uid, acct.uid)
		}
	}
	return acct.makePrivateDir(l.socket)
}

// dsn is a connection URL that pgx and libpq both read.
func (l layout) dsn(database string) string {
	query := url.Values{"host": {l.socket}, "port": {"5432"}, "sslmode": {"disable"}}
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Path:     "/" + database,
		RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20"), // libpq reads + as itself
	}
	return u.String()
}

// version is the major version of the cluster, "" when there is none yet.
func (l layout) version() (string, error) {
	text, err := os.ReadFile(filepath.Join(l.data, "PG_VERSION"))
	if os.IsNotExist(err) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}
