// Package ingest loads CSV files and picture folders into the engine: it reads rows,
// checks each against the limits the proto states, and hands batches to a Sink.
//
// It does not embed, store or infer an embedding schema. A row that cannot be loaded is a
// Fault with its line, column and reason, and the rest of the file loads; only what makes
// every row meaningless (no such file, an unreadable header, a store that stays away) is an
// error. Rows reach the sink in the order of the file, one batch at a time, so that after an
// error everything up to Report.Line is durable and nothing later than the batch after it was
// attempted. Loading a file a second time is harmless: items are created or replaced, and
// interactions carry request ids made from their content.
//
// Files are UTF-8 (a byte order mark is passed over), comma separated as RFC 4180 has it, with
// LF or CRLF line ends and a header that names the columns. Every file is opened twice: the
// first pass counts the rows and, for items, learns which columns hold numbers. A pipe or a
// file that changes meanwhile is therefore no source.
//
// Items: item_id is required; title, description, image (a path below the picture folder),
// available_time, expire_time (RFC 3339 or Unix seconds) and hidden (true or false) are known;
// every other column is an attribute: a number if all its values are finite decimals, else
// labels split at "|"; an empty cell is an absent attribute. An empty image cell means that
// the item has no picture; a picture that is named but cannot be read skips the row, because
// storing the item without it would quietly take away the one it had. Of two rows with one
// item_id the later wins.
//
// Interactions: item, timestamp (Unix seconds, also fractional, or RFC 3339) and user or visitor
// are required; value holds a rating; type defaults to RATING where value is present, else VIEW.
// Rows that agree in actor, item, type, value and timestamp (to the microsecond, as it is
// stored) are one event, in one file as in two.
package ingest
