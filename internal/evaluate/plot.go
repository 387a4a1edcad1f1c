package evaluate

// Plot is a chart of a report.
type Plot struct {
	Title  string   `json:"title"`
	X      string   `json:"x"` // what the axes hold
	Y      string   `json:"y"`
	Series []Series `json:"series"`
}

// Series is one line of a chart.
type Series struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Point is a measured point; Label says what was set there.
type Point struct {
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	Err   float64 `json:"err,omitempty"` // standard error of Y
	Label string  `json:"label,omitempty"`
}
