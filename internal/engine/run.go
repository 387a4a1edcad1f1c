package engine

// RunOrder is what a run was asked to do, as it is stored. Which fields count depends on its kind.
type RunOrder struct {
	Encoder string  `json:"encoder,omitempty"` // FitOrder.Encoder
	Rate    float64 `json:"rate,omitempty"`    // FitOrder.Rate
	Learn   string  `json:"learn,omitempty"`   // FitOrder.Learn
	Space   int64   `json:"space,omitempty"`   // the space to activate; 0: the one that was live before
}

// RunOutcome is what came of a run, as it is stored.
type RunOutcome struct {
	Space     int64  `json:"space,omitempty"` // it made or activated
	SpaceLive bool   `json:"space_live,omitempty"`
	Model     int64  `json:"model,omitempty"` // it trained
	ModelLive bool   `json:"model_live,omitempty"`
	Verdict   string `json:"verdict,omitempty"`
}
