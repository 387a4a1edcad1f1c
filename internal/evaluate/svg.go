package evaluate

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// palette tells series apart, also for the colour-blind (Okabe and Ito 2008).
var palette = []color.RGBA{
	{0, 114, 178, 255}, {230, 159, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{213, 94, 0, 255}, {86, 180, 233, 255}, {60, 60, 60, 255},
}

const plotWidth, plotHeight = 15 * vg.Centimeter, 10 * vg.Centimeter

// SVG draws the plot as an svg element.
func (p Plot) SVG() (string, error) {
	drawn := plot.New()
	drawn.X.Label.Text, drawn.Y.Label.Text = p.X, p.Y
	drawn.Add(plotter.NewGrid())
	for k, s := range p.Series {
		if err := s.addTo(drawn, palette[k%len(palette)], len(p.Series) > 1); err != nil {
			return "", fmt.Errorf("draw %q: %w", p.Title, err)
		}
	}
	drawn.Legend.Top = true
	// Room for error bars on the left and labels on the right.
	span := drawn.X.Max - drawn.X.Min
	drawn.X.Min, drawn.X.Max = drawn.X.Min-.04*span, drawn.X.Max+.2*span
	canvas := vgsvg.New(plotWidth, plotHeight)
	drawn.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	svg := b.String()
	return svg[max(0, strings.Index(svg, "<svg")):], nil // without the XML header, which HTML does not take
}

// points makes a Series what plotter draws: points with errors and labels.
type points struct{ of []Point }

func (s points) Len() int                         { return len(s.of) }
func (s points) XY(i int) (x, y float64)          { return s.of[i].X, s.of[i].Y }
func (s points) YError(i int) (low, high float64) { return s.of[i].Err, s.of[i].Err }
func (s points) Label(i int) string               { return " " + s.of[i].Label }

func (s Series) addTo(p *plot.Plot, of color.Color, legend bool) error {
	if len(s.Points) == 0 {
		return nil
	}
	line, dots, err := plotter.NewLinePoints(points{s.Points})
	if err != nil {
		return err
	}
	line.Color, line.Width, dots.Color, dots.Shape = of, vg.Points(1.5), of, draw.CircleGlyph{}
	bars, err := plotter.NewYErrorBars(points{s.Points})
	if err != nil {
		return err
	}
	bars.Color, bars.CapWidth = of, vg.Points(4)
	labels, err := plotter.NewLabels(points{s.Points})
	if err != nil {
		return err
	}
	labels.Offset = vg.Point{X: vg.Points(2), Y: vg.Points(4)}
	p.Add(line, dots, bars, labels)
	if legend {
		p.Legend.Add(s.Name, line, dots)
	}
	return nil
}
