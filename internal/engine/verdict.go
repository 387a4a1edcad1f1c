package engine

// Figure is a mean over cases with its standard error.
type Figure struct {
	Mean   float64 `json:"mean"`
	StdErr float64 `json:"std_err"`
}

// Figures are what a recipe achieved in a trial, trained on the trial's training rows.
type Figures struct {
	NDCG10   Figure `json:"ndcg10"`
	NDCG100  Figure `json:"ndcg100"`
	Recall20 Figure `json:"recall20"`
}

// Verdict is what a trial says of a recipe, beside the one that is live. It is stored with the
// model.
type Verdict struct {
	Protocol string   `json:"protocol,omitempty"` // of the trial; empty: there was none
	Cases    int      `json:"cases,omitempty"`
	New      *Figures `json:"new,omitempty"`
	Live     *Figures `json:"live,omitempty"` // nil: the recipes are the same, or nothing is live
	// Difference is the paired difference of NDCG@100, new less live.
	Difference *Figure `json:"difference,omitempty"`
	Passed     bool    `json:"passed"`
	Reason     string  `json:"reason"`
}
