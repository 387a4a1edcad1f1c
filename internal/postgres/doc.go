// Package postgres keeps items, interactions, embedding spaces and factor models in a
// PostgreSQL database (13 or later): the truth that everything in memory is rebuilt from. It
// implements engine.Store and the catalogue reads of the server. It embeds nothing, ranks
// nothing and starts no server (package localpg does); pgx types, SQL and SQLSTATEs stop here.
//
// # Change numbers
//
// Every transaction that changes something takes the next number of its log, 'catalog' or
// 'interaction', by updating that log's row of change_counter, and stamps what it wrote with
// it. The row stays locked until the commit, so numbers have no gaps and become visible in
// their order: who has read number n has missed nothing up to n. Following a sequence or an
// identity column instead loses rows, because a transaction that took a lower number may
// commit later. The two logs never wait for each other.
//
// The number is taken as late as possible and once for a whole batch, because it makes the
// commits of a log queue up: pictures and encoder outputs are written before it, item rows
// after it. Rows of item, item_vector of the live space, catalog_change and setting are written
// only by the holder of the catalogue's counter row, so that what it reads of them cannot
// change under it. Locks are taken in one order, which leaves no deadlock: images by digest,
// encoder outputs by digest, the counter row, then the rest. Deletions of images happen after
// the counter and wait for nobody, since nobody keeps a lock on an image row; a writer that
// counted on a deleted image notices when it has the counter and starts over.
//
// NOTIFY is sent after a commit, not in it: a notifying transaction holds a lock that all of
// them share until its commit is on disk, which would tie the two logs together. Followers use
// it to wake up, never as the news itself.
//
// # Lost connections
//
// When the server is gone, Config.Ensure is asked to bring it back and the operation is tried
// again, a few times. Reads are repeated unless rows were handed out already. A transaction is
// repeated when it surely did not commit. When the connection broke while the commit was being
// acknowledged nobody knows; then it is repeated only if doing it twice comes to the same:
// an item without IfSeq is (Created may then be false although this call created it), and so
// is every write with a request id, because the repetition finds the stored response. All
// others are answered recsys.ErrUnavailable: the write may be in the database, and a caller
// that cannot live with not knowing sends a request id.
package postgres
