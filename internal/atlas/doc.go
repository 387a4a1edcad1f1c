// Package atlas measures an embedding space: it draws it, asks whether neighbours are alike, and
// whether a simple learner can use it, each beside other ways of looking at the same items.
//
//	Item       what is known of an item: title, attributes, encoder output, small picture
//	View       a way of turning items into vectors: a space, a part of it, the encoder, raw pixels
//	Run        views × labels → Report, as table, JSON, HTML and PNG
//
// It encodes nothing, reads no store and fits no space; whoever calls it brings the items and the
// spaces. All views of a comparison see the same items, the same queries and the same folds, so that
// differences are paired.
//
// Invariants: a view is never asked about a label with that label's own block in it; equal
// arguments and seed give an equal report; an item whose label is asked is never its own neighbour.
//
// Method: label purity and recall@k by leave-one-out neighbours (Musgrave, Belongie and Lim 2020);
// hubness as the skewness of k-occurrence (Radovanović, Nanopoulos and Ivanović 2010); relative
// contrast after Beyer et al. (1999); the linear probe is
// Fisher's discriminant with a ridge (Friedman 1989).
package atlas
