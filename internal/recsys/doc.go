// Package recsys holds the words that every other package shares: items,
// attributes, interactions, embedding-space and factor-model records, scored
// items and the error sentinels.
//
// It does no I/O, computes nothing beyond conversions between its own types and
// imports the standard library only. A word means one thing everywhere: proto
// field, Go field, SQL column and metric label are spelled alike.
package recsys
