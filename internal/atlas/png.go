package atlas

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

const pngDPI = 144

// WritePNGs writes, for every space, NAME-map.png (points by colour) and NAME-pictures.png (the
// same with pictures), and neighbours.png into a folder, which is made if it is not there.
func (r *Report) WritePNGs(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, m := range r.Maps {
		name := filepath.Join(folder, fileName(m.Space))
		if err := writeTo(name+"-map.png", func(w io.Writer) error { return r.drawMap(w, m) }); err != nil {
			return err
		}
		if err := writeTo(name+"-pictures.png", func(w io.Writer) error { return png.Encode(w, r.pictureMap(m)) }); err != nil {
			return err
		}
	}
	if len(r.sheets) == 0 {
		return nil
	}
	return writeTo(filepath.Join(folder, "neighbours.png"), r.drawSheets)
}

// fileName makes a space's name fit for any file system.
func fileName(name string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) || c == '-' || c == '_' {
			return c
		}
		return '-'
	}, name)
}

func writeTo(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// drawMap draws a space along its first two principal components.
func (r *Report) drawMap(w io.Writer, m Map) error {
	p := plot.New()
	p.Title.Text = m.Space
	p.X.Label.Text = fmt.Sprintf("first principal component, %s of the variance", percent(m.Explained[0]))
	p.Y.Label.Text = fmt.Sprintf("second, %s", percent(m.Explained[1]))
	p.Add(plotter.NewGrid())
	legend := plot.NewLegend()
	legend.ThumbnailWidth, legend.Padding, legend.Top, legend.Left = vg.Points(8), vg.Points(2), true, true
	groups, names := r.groups(m)
	for k := range groups {
		k = len(groups) - 1 - k // others lie below
		if len(groups[k]) == 0 {
			continue
		}
		dots, err := plotter.NewScatter(groups[k])
		if err != nil {
			return err
		}
		dots.GlyphStyle = vgdraw.GlyphStyle{Color: palette[k], Radius: vg.Points(1.7), Shape: vgdraw.CircleGlyph{}}
		p.Add(dots)
	}
	for k := range groups {
		if len(groups[k]) > 0 && names[k] != "" {
			legend.Add(names[k], swatch{palette[k]})
		}
	}
	const width, height, margin = 24 * vg.Centimeter, 16 * vg.Centimeter, 5 * vg.Centimeter
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(pngDPI))
	all := vgdraw.New(canvas)
	p.Draw(vgdraw.Crop(all, 0, -margin, 0, 0))
	legend.Draw(vgdraw.Crop(all, width-margin+vg.Points(6), 0, 0, -vg.Points(26)))
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

// swatch is a dot of a legend.
type swatch struct{ of color.Color }

func (s swatch) Thumbnail(c *vgdraw.Canvas) {
	c.DrawGlyph(vgdraw.GlyphStyle{Color: s.of, Radius: vg.Points(3), Shape: vgdraw.CircleGlyph{}}, c.Center())
}

// groups are the points of a map by colour, the last being the others, with what each stands for.
func (r *Report) groups(m Map) ([]plotter.XYs, []string) {
	groups, names := make([]plotter.XYs, mostColors+1), make([]string, mostColors+1)
	for n, p := range m.at {
		k := r.colorOf(n)
		groups[k] = append(groups[k], plotter.XY{X: float64(p[0]), Y: float64(p[1])})
	}
	if len(r.colors) > 0 && r.colors[0].Values != nil {
		copy(names, r.colors[0].Values)
		names[mostColors] = "another or no " + r.colors[0].Name
	}
	return groups, names
}

// colorOf is the palette's number for a drawn item: by the first label.
func (r *Report) colorOf(n int) int {
	if len(r.colors) == 0 || r.colors[0].Of == nil {
		return 0
	}
	if k := r.colors[0].Of[n]; k >= 0 {
		return k
	}
	return mostColors
}

// pictureMap draws pictures where their items lie, as many as there is room for.
func (r *Report) pictureMap(m Map) *image.RGBA {
	const width, height, size, border = 2000, 1400, 44, 2
	sheet := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	low, high := bounds(m)
	taken := make(map[image.Point]bool)
	for n, p := range m.at {
		if r.drawn[n].picture == nil {
			continue
		}
		cell := image.Pt(
			int((p[0]-low[0])/max(high[0]-low[0], 1e-6)*(width/size-1)+.5),
			int((high[1]-p[1])/max(high[1]-low[1], 1e-6)*(height/size-1)+.5))
		if taken[cell] {
			continue
		}
		taken[cell] = true
		frame := image.Rectangle{cell.Mul(size), cell.Mul(size).Add(image.Pt(size-1, size-1))}
		draw.Draw(sheet, frame, image.NewUniform(palette[r.colorOf(n)]), image.Point{}, draw.Src)
		draw.Draw(sheet, frame.Inset(border), image.White, image.Point{}, draw.Src)
		r.drawn[n].picture.drawInto(sheet, frame.Inset(border))
	}
	return sheet
}

// bounds are the lowest and highest coordinates of a map.
func bounds(m Map) (low, high [3]float32) {
	for n, p := range m.at {
		for axis, x := range p {
			if n == 0 {
				low[axis], high[axis] = x, x
			}
			low[axis], high[axis] = min(low[axis], x), max(high[axis], x)
		}
	}
	return low, high
}

// The layout of neighbours.png, in points.
const (
	sheetPicture = 42 * vg.Inch / 72
	sheetGap     = 5 * vg.Inch / 72
	sheetLeft    = 140 * vg.Inch / 72
	sheetNames   = 105 * vg.Inch / 72
)

// drawSheets draws queries with their ten nearest, one line a view.
func (r *Report) drawSheets(w io.Writer) error {
	lines := 0
	for _, s := range r.sheets {
		lines += len(s.rows)
	}
	step := sheetPicture + sheetGap
	height := vg.Length(lines)*step + vg.Length(len(r.sheets)+1)*2*sheetGap
	canvas := vgimg.NewWith(vgimg.UseWH(sheetLeft+sheetNames+page*step+2*sheetGap, height), vgimg.UseDPI(pngDPI))
	c := vgdraw.New(canvas)
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	style := text.Style{Color: color.Black, Font: font.From(plot.DefaultFont, 8), Handler: plot.DefaultTextHandler, YAlign: vgdraw.YCenter}
	y := height - 2*sheetGap
	for _, s := range r.sheets {
		r.drawThumb(c, s.query, 2*sheetGap, y, false)
		for k, line := range []string{s.value, r.drawn[s.query].name()} {
			c.FillText(style, vg.Point{X: sheetPicture + 4*sheetGap, Y: y - sheetPicture/3 - vg.Length(k)*vg.Points(11)}, shortened(line, 20))
		}
		for _, row := range s.rows {
			c.FillText(style, vg.Point{X: sheetLeft, Y: y - sheetPicture/2}, shortened(row.view, 22))
			for k, n := range row.nearest {
				r.drawThumb(c, n, sheetLeft+sheetNames+vg.Length(k)*step, y, row.hit[k])
			}
			y -= step
		}
		y -= 2 * sheetGap
	}
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

// drawThumb draws an item's picture below (x, y), with a frame around a hit.
func (r *Report) drawThumb(c vgdraw.Canvas, n int, x, y vg.Length, hit bool) {
	cell := image.NewRGBA(image.Rect(0, 0, 2*side, 2*side))
	draw.Draw(cell, cell.Bounds(), image.NewUniform(color.RGBA{242, 244, 247, 255}), image.Point{}, draw.Src)
	if hit {
		draw.Draw(cell, cell.Bounds(), image.NewUniform(color.RGBA{0, 158, 115, 255}), image.Point{}, draw.Src)
		draw.Draw(cell, cell.Bounds().Inset(6), image.White, image.Point{}, draw.Src)
	}
	if p := r.drawn[n].picture; p != nil {
		p.drawInto(cell, cell.Bounds().Inset(6))
	}
	c.DrawImage(vg.Rectangle{Min: vg.Point{X: x, Y: y - sheetPicture}, Max: vg.Point{X: x + sheetPicture, Y: y}}, cell)
}

func shortened(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}
