package imageprep

import (
	"image/color"
	"math"
	"testing"
)

var hashRule = Rule{ShortSide: 96, Crop: 96, Mean: [3]float32{127, 127, 127}, Std: [3]float32{128, 128, 128}}

// hills is a smooth pattern that differs by seed.
func hills(seed, brighter float64, flip bool) func(x, y int) color.RGBA {
	return func(x, y int) color.RGBA {
		if flip {
			x = 95 - x
		}
		v := 110 + 50*math.Sin(seed+float64(x)/9) + 40*math.Cos(2*seed+float64(y)/7+float64(x)/23) + brighter
		return color.RGBA{byte(v), byte(v / 2), byte(v / 3), 255}
	}
}

func TestHashFollowsThePicture(t *testing.T) {
	t.Parallel()
	tensor := func(pixel func(x, y int) color.RGBA) []float32 { return drawn(t, 96, 96, pixel).Tensor(hashRule) }
	base, _ := HashTensor(tensor(hills(1, 0, false)))
	brighter, _ := HashTensor(tensor(hills(1, 20, false)))
	if d := base.Distance(brighter); d > 8 {
		t.Errorf("a brighter copy is %d bits away", d)
	}
	other, _ := HashTensor(tensor(hills(4, 0, false)))
	if d := base.Distance(other); d < 40 {
		t.Errorf("another picture is only %d bits away", d)
	}
	flipped, back := HashTensor(tensor(hills(1, 0, true)))
	if d := base.Distance(back); d > 4 {
		t.Errorf("the mirror image of the mirror image is %d bits away", d)
	}
	if d := base.Distance(flipped); d < 40 {
		t.Errorf("the mirror image itself is only %d bits away", d)
	}
}

func TestHashOfAnEvenGround(t *testing.T) {
	t.Parallel()
	noisy := func(x, y int) color.RGBA { v := byte(254 + (x*7+y*13)%2); return color.RGBA{v, v, v, 255} }
	if h, _ := HashTensor(drawn(t, 96, 96, noisy).Tensor(hashRule)); h != (Hash{}) {
		t.Errorf("an even ground has the bits %x", h)
	}
}

func TestHashDistanceByHand(t *testing.T) {
	t.Parallel()
	busy := Hash{}
	for i := range 12 {
		busy[i] = 0xff // 96 bits
	}
	near := busy
	near[0], near[31] = 0x0f, 1
	for _, c := range []struct {
		name string
		a, b Hash
		want int
	}{
		{"busy pictures", busy, near, 5},
		{"5 of 10 bits of quiet ones", Hash{0xff, 1}, Hash{0x0f, 3}, 48},
		{"equal quiet ones", Hash{1}, Hash{1}, 0},
		{"nothing in common", Hash{1}, Hash{2}, 96},
		{"empty ones", Hash{}, Hash{}, 256},
	} {
		if d := c.a.Distance(c.b); d != c.want || d != c.b.Distance(c.a) {
			t.Errorf("%s: distance %d and %d, want %d", c.name, d, c.b.Distance(c.a), c.want)
		}
	}
}
