package atlas

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"math"
	"slices"

	xdraw "golang.org/x/image/draw"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
)

//go:embed report.html
var reportPage string

//go:embed map.js
var mapScript string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"script":  func() template.JS { return template.JS(mapScript) },
	"legend":  func() string { return viewLegend },
	"blocks":  func() []string { return blockColumns },
	"leftout": func() []string { return leftOutColumns },
	"columns": func() []string { return viewColumns },
	"metrics": func(l LabelReport) []evaluate.Metric { return l.Views[0].Metrics },
	"figure":  func(m evaluate.ModelReport, name string) figure { return figureOf(m.Metrics, name) },
	"percent": percent,
}).Parse(reportPage))

// figure is a cell of a table of the page.
type figure struct{ Text, Class, Title string }

func figureOf(metrics []evaluate.Metric, name string) figure {
	at := slices.IndexFunc(metrics, func(m evaluate.Metric) bool { return m.Name == name })
	if at < 0 {
		return figure{}
	}
	m := metrics[at]
	f := figure{Text: cell(&m)}
	if d := m.Difference; d != nil && d.StdErr > 0 {
		f.Title = fmt.Sprintf("%+.4f ± %.4f against the first space", d.Mean, d.StdErr)
		switch {
		case d.Mean > 2*d.StdErr:
			f.Class = "above"
		case d.Mean < -2*d.StdErr:
			f.Class = "below"
		}
	}
	return f
}

// page is what the template reads.
type htmlPage struct {
	*Report
	Data   template.JS // what the map's script reads
	Sprite template.URL
	Sheets []htmlSheet
	Lonely []htmlLonely
}

type htmlLonely struct {
	Picture    htmlPicture
	Similarity float64
}

type htmlSheet struct {
	Query htmlPicture
	Value string
	Rows  []htmlRow
}

type htmlRow struct {
	View    string
	Nearest []htmlPicture
}

type htmlPicture struct {
	X, Y  int // of its cell in the sprite, in pixels; −1: no picture
	Title string
	Hit   bool
}

// WriteHTML writes the report as one page that needs nothing else: a map to turn, neighbours to look
// at, and the tables.
func (r *Report) WriteHTML(w io.Writer) error {
	sprite, err := r.sprite()
	if err != nil {
		return fmt.Errorf("draw the pictures: %w", err)
	}
	data, err := json.Marshal(r.mapData()) // escapes what could end the script
	if err != nil {
		return err
	}
	p := htmlPage{Report: r, Data: template.JS(data), Sprite: template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(sprite))}
	for _, s := range r.sheets {
		p.Sheets = append(p.Sheets, r.htmlSheet(s))
	}
	for _, o := range r.Outliers {
		p.Lonely = append(p.Lonely, htmlLonely{r.htmlPicture(o.drawn), o.Similarity})
	}
	if err := reportTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (r *Report) htmlSheet(s sheet) htmlSheet {
	out := htmlSheet{Query: r.htmlPicture(s.query), Value: s.value}
	for _, row := range s.rows {
		h := htmlRow{View: row.view}
		for k, n := range row.nearest {
			picture := r.htmlPicture(n)
			picture.Hit = row.hit[k]
			h.Nearest = append(h.Nearest, picture)
		}
		out.Rows = append(out.Rows, h)
	}
	return out
}

func (r *Report) htmlPicture(n int) htmlPicture {
	p := htmlPicture{X: -1, Title: r.drawn[n].name()}
	if r.drawn[n].picture != nil {
		p.X, p.Y = n%spriteColumns*side, n/spriteColumns*side
	}
	return p
}

func (d drawnItem) name() string {
	if d.title == "" {
		return d.id
	}
	return d.title
}

// mapData is what the map's script reads. Points are [x, y, z] in thousandths.
type mapData struct {
	Columns int       `json:"columns"` // of the sprite
	Side    int       `json:"side"`    // of its cells
	IDs     []string  `json:"ids"`
	Titles  []string  `json:"titles"`
	Picture []bool    `json:"picture"`
	Maps    []mapJSON `json:"maps"`
	Colors  []Colors  `json:"colors"`
	Palette []string  `json:"palette"`
}

type mapJSON struct {
	Name      string    `json:"name"`
	Explained []float64 `json:"explained"`
	At        [][3]int  `json:"at"`
}

func (r *Report) mapData() mapData {
	d := mapData{Columns: spriteColumns, Side: side, Colors: r.colors}
	for _, c := range palette {
		d.Palette = append(d.Palette, fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B))
	}
	for _, m := range r.Maps {
		j := mapJSON{Name: m.Space, Explained: m.Explained}
		for _, p := range m.at {
			j.At = append(j.At, [3]int{thousandths(p[0]), thousandths(p[1]), thousandths(p[2])})
		}
		d.Maps = append(d.Maps, j)
	}
	for _, item := range r.drawn {
		d.IDs, d.Titles, d.Picture = append(d.IDs, item.id), append(d.Titles, item.title), append(d.Picture, item.picture != nil)
	}
	return d
}

func thousandths(x float32) int { return int(math.Round(1000 * float64(x))) }

// palette tells the values of a label apart; the last is for all others.
var palette = []color.RGBA{
	{0, 114, 178, 255}, {230, 159, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {213, 94, 0, 255},
	{86, 180, 233, 255}, {240, 228, 66, 255}, {120, 94, 240, 255}, {140, 86, 75, 255}, {30, 30, 30, 255}, {190, 196, 204, 255},
}

// spriteColumns is how many pictures stand beside each other in the sprite.
const spriteColumns = 48

// sprite lays the pictures of all drawn items out in one JPEG.
func (r *Report) sprite() ([]byte, error) {
	rows := (len(r.drawn) + spriteColumns - 1) / spriteColumns
	sheet := image.NewRGBA(image.Rect(0, 0, spriteColumns*side, max(rows, 1)*side))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	for n, item := range r.drawn {
		if item.picture != nil {
			at := image.Pt(n%spriteColumns*side, n/spriteColumns*side)
			item.picture.drawInto(sheet, image.Rectangle{at, at.Add(image.Pt(side, side))})
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, sheet, &jpeg.Options{Quality: 82})
	return b.Bytes(), err
}

// drawInto draws the picture in its own proportions into the middle of a rectangle.
func (p *Picture) drawInto(onto draw.Image, within image.Rectangle) {
	longer := float64(max(p.Width, p.Height))
	w := max(int(float64(within.Dx())*float64(p.Width)/longer), 1)
	h := max(int(float64(within.Dy())*float64(p.Height)/longer), 1)
	corner := within.Min.Add(image.Pt((within.Dx()-w)/2, (within.Dy()-h)/2))
	xdraw.CatmullRom.Scale(onto, image.Rectangle{corner, corner.Add(image.Pt(w, h))}, p.image(), image.Rect(0, 0, side, side), draw.Src, nil)
}

func (p *Picture) image() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		copy(m.Pix[4*i:], p.Pixels[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	return m
}
