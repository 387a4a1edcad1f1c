// Package trial runs evaluation protocols on the engine itself: it holds a shop's catalogue and a
// fold's training rows in memory, behind the engine's own Store, trains and ranks there, and
// measures with evaluate. Nothing of it touches the live State or the database.
//
//	Store    a Store in memory: catalogue, encoder outputs, interactions
//	Engine   an engine over a Store, with a clock that stands still
//	Run      protocols × models → evaluate.Report
//	Gate     may a new recipe go live? the live one and the new one on one time split
//
// It decides nothing about splits and metrics, which are evaluate's, and nothing about scores,
// which are the engine's: what is measured is the code that answers Recommend.
//
// Invariant: an engine here has seen its fold's training rows and nothing else of the log.
package trial
