package onnx

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
)

// sampleWidth and sampleHeight are in pixels.
const sampleWidth, sampleHeight = 96, 72

// samplePicture is what encoders are tried on when no picture is given: coloured waves, a disc
// and a square. The twin has other colours and is mirrored, so that its vector must differ.
func samplePicture() []byte { return paint(false) }

func sampleTwin() []byte { return paint(true) }

func paint(twin bool) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, sampleWidth, sampleHeight))
	for y := range sampleHeight {
		for x := range sampleWidth {
			c := wave(x, y)
			switch {
			case (x-30)*(x-30)+(y-36)*(y-36) < 18*18:
				c = color.NRGBA{200, 60, 40, 255}
			case x > 57 && x < 84 && y > 21 && y < 48:
				c = color.NRGBA{30, 120, 210, 255}
			}
			if twin {
				m.SetNRGBA(sampleWidth-1-x, y, color.NRGBA{c.B, 255 - c.G, c.R, 255})
			} else {
				m.SetNRGBA(x, y, c)
			}
		}
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.NoCompression}
	if err := encoder.Encode(&b, m); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

func wave(x, y int) color.NRGBA {
	level := func(a, b float64) uint8 { return uint8(128 + 100*math.Sin(a*float64(x)+b*float64(y))) }
	return color.NRGBA{level(.17, .07), level(.03, .23), level(-.1, .13), 255}
}

// tensorOf decodes a picture and applies a rule.
func tensorOf(picture []byte, rule imageprep.Rule) ([]float32, error) {
	p, err := imageprep.Decode(picture, imageprep.DefaultLimits())
	if err != nil {
		return nil, err
	}
	return p.Tensor(rule), nil
}
