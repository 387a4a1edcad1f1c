// Package export writes the features of items and users as Parquet files.
//
// It computes nothing: rows are those of engine.Features, point-in-time correct because that is,
// and files read back give the same bits. A file appears whole or not at all: it is written
// beside its place and renamed. Files hold one row group per 8,192 rows, zstd-compressed, and in
// their key-value metadata what the rows were made with.
package export
