package main

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"

	"golang.org/x/image/draw"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
)

// small is the side of the small JPEGs, mosaic how many of them one side of a large one has: a
// large picture of tiles has as much detail in every square inch as the small ones, which an
// enlarged one would not.
const small, mosaic = 300, 4

// sizes are how many pictures of each size there are.
const sizes = 48

// writeSizes makes square JPEGs of quality 85 out of other pictures in two folders of dir and
// returns their files by the length of a side.
func writeSizes(dir string, from []string) (map[int][]string, error) {
	tiles := make([]*image.RGBA, min(sizes, len(from)))
	for i := range tiles {
		tile, err := squared(from[i])
		if err != nil {
			return nil, err
		}
		tiles[i] = tile
	}
	out := make(map[int][]string)
	for i := range sizes {
		large := image.NewRGBA(image.Rect(0, 0, mosaic*small, mosaic*small))
		for k := range mosaic * mosaic {
			at := image.Pt(k%mosaic*small, k/mosaic*small)
			draw.Draw(large, image.Rectangle{at, at.Add(image.Pt(small, small))}, tiles[(i+7*k)%len(tiles)], image.Point{}, draw.Src)
		}
		for _, picture := range []*image.RGBA{tiles[i%len(tiles)], large} {
			side := picture.Rect.Dx()
			name := filepath.Join(dir, fmt.Sprintf("%d_%02d.jpg", side, i))
			if err := writeJPEG(name, picture); err != nil {
				return nil, err
			}
			out[side] = append(out[side], name)
		}
	}
	return out, nil
}

// squared reads a picture and scales the square in its middle.
func squared(file string) (*image.RGBA, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := imageprep.Decode(data, imageprep.DefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	whole := image.NewRGBA(image.Rect(0, 0, p.Width(), p.Height()))
	var row []byte
	for y := range p.Height() {
		row = p.AppendRow(row[:0], y)
		for x := range p.Width() {
			whole.SetRGBA(x, y, color.RGBA{row[3*x], row[3*x+1], row[3*x+2], 255})
		}
	}
	side := min(p.Width(), p.Height())
	corner := image.Pt((p.Width()-side)/2, (p.Height()-side)/2)
	out := image.NewRGBA(image.Rect(0, 0, small, small))
	draw.CatmullRom.Scale(out, out.Rect, whole, image.Rectangle{corner, corner.Add(image.Pt(side, side))}, draw.Src, nil)
	return out, nil
}

func writeJPEG(name string, m image.Image) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := jpeg.Encode(file, m, &jpeg.Options{Quality: 85}); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
