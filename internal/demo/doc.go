// Package demo is the bundled gallery: some 400 public-domain clip arts with title, category,
// artist and keywords, and shoppers simulated over them. It gives tables for package ingest
// and stores nothing itself.
//
// The pictures come from Debian's openclipart packages; gallery/ATTRIBUTION.md names artists,
// files and the dedication, select_gallery.py made the choice. A few items leave their image
// cell empty on purpose: they stand in for the items of a shop that have no picture.
//
// The shoppers are no people. Their ids begin with "simulated-", their behaviour follows from
// Seed by the model that Shoppers states, and their events lie in the 90 days from Start on,
// so that loading the demo twice, on any day, adds nothing.
package demo
