package filter

import (
	"context"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

const benchItems = 100_000

// BenchmarkBuild is one Apply of everything; the bytes per item are what the Index keeps,
// strings of the items included once.
func BenchmarkBuild(b *testing.B) {
	items := gallery(benchItems)
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		before := heap()
		ix := filled(items)
		b.ReportMetric(float64(heap()-before)/benchItems, "B/item")
		runtime.KeepAlive(ix)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchItems, "ns/item")
}

// cpu measures the process's CPU time, garbage collection included, from its call to that of
// what it returns, and reports it per op: on a shared machine the clock tells little.
func cpu(b *testing.B) (report func()) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkApply changes one item per version: to another item, only its price, or a new one.
func BenchmarkApply(b *testing.B) {
	items := gallery(benchItems)
	ix := filled(items)
	rng := rand.New(rand.NewPCG(3, 4))
	fresh := make([]recsys.Item, 1000)
	for i := range fresh {
		fresh[i] = galleryItem(rng, rng.IntN(benchItems))
	}
	b.Run("replace", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		at := ix
		for i := 0; b.Loop(); i++ {
			at = at.Apply([]Change{{uint32(i*7919) % benchItems, &fresh[i%len(fresh)]}})
		}
	})
	b.Run("price", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		at := ix
		for i := 0; b.Loop(); i++ {
			number := uint32(i*7919) % benchItems
			changed := items[number]
			changed.Attributes = map[string]recsys.Attribute{}
			for name, a := range items[number].Attributes {
				changed.Attributes[name] = a
			}
			changed.Attributes["price"] = recsys.Number(float64(i))
			at = at.Apply([]Change{{number, &changed}})
		}
	})
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		at := ix
		for i := 0; b.Loop(); i++ {
			at = at.Apply([]Change{{uint32(benchItems + i), &fresh[i%len(fresh)]}})
		}
	})
	b.Run("remove", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		for i := 0; b.Loop(); i++ {
			ix.Apply([]Change{{uint32(i*7919) % benchItems, nil}})
		}
	})
}

var benchExpressions = []struct{ name, expression string }{
	{"equal rare", `attributes.artist == "artist 700"`},
	{"equal frequent", `attributes.status == "status 0"`},
	{"not equal", `attributes.status != "status 0"`},
	{"in", `attributes.artist in ["artist 1", "artist 2", "artist 3", "artist 50"]`},
	{"range", `attributes.price < 500`},
	{"range both", `attributes.price >= 100 && attributes.price < 200`},
	{"has", `has(attributes.note)`},
	{"label and range", `attributes.style == "style 3" && attributes.price < 500`},
	{"prefix of labels", `attributes.artist.startsWith("artist 12")`},
	{"prefix of keywords", `attributes.keywords.exists(k, k.startsWith("keyword 12"))`},
	{"arithmetic", `attributes.width * attributes.height < 2500`},
	{"label and arithmetic", `attributes.artist == "artist 70" && attributes.width * attributes.height < 2500`},
	{"title", `title.contains("of place 1")`},
	{"pattern", `title.matches("place [0-9]?1$")`},
}

// BenchmarkBitmap evaluates each expression from nothing, after one change, and again.
func BenchmarkBitmap(b *testing.B) {
	items := gallery(benchItems)
	ix := filled(items)
	changed := galleryItem(rand.New(rand.NewPCG(5, 6)), 17)
	next := ix.Apply([]Change{{17, &changed}})
	for _, e := range benchExpressions {
		p, err := Compile(e.expression, ix.Schema())
		if err != nil {
			b.Fatal(err)
		}
		found, err := p.Bitmap(context.Background(), ix)
		if err != nil {
			b.Fatal(err)
		}
		run := func(name string, evaluate func() (*Bitmap, error)) {
			b.Run(e.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				defer cpu(b)()
				for b.Loop() {
					if _, err := evaluate(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(found.GetCardinality()), "items")
			})
		}
		run("new", func() (*Bitmap, error) { return p.evaluate(context.Background(), ix, nil) })
		base := p.answers.Load().base(next)
		run("changed", func() (*Bitmap, error) { return p.evaluate(context.Background(), next, base) })
		run("same", func() (*Bitmap, error) { return p.Bitmap(context.Background(), ix) })
	}
}

func BenchmarkCompile(b *testing.B) {
	s := filled(gallery(100)).Schema()
	cache := NewCache(10)
	for _, e := range benchExpressions {
		b.Run(e.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(e.expression, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := cache.Compile(benchExpressions[0].expression, s); err != nil {
				b.Fatal(err)
			}
		}
	})
}
