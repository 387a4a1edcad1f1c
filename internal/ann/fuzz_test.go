package ann

import (
	"slices"
	"testing"
)

// FuzzChanges reads a program of changes, batches, branches and searches and runs it
// on every engine beside its twin. Each step is two bytes: what to do, and with what.
func FuzzChanges(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 0, 3, 3, 0, 4, 5, 1, 2, 3, 0, 4, 9})
	f.Add([]byte{2, 255, 2, 200, 3, 0, 4, 3, 1, 7, 6, 250, 3, 0, 4, 30, 5, 0, 2, 9, 3, 0, 4, 1})
	f.Add([]byte{2, 255, 3, 0, 6, 255, 3, 0, 2, 255, 3, 0, 5, 1, 0, 9, 3, 0, 5, 0, 0, 200, 3, 0, 4, 200})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 100 {
			return
		}
		for _, e := range engines() {
			if e.name != "coder" && e.name != "auto" { // coder takes too long to fill, auto is hnsw
				run(t, e, program)
			}
		}
	})
}

func run(t *testing.T, e engine, program []byte) {
	const dims = 3
	versions := []version{newVersion(e, dims)}
	var batch []Change
	now := versions[0]
	for i := 0; i+1 < len(program); i += 2 {
		what, with := program[i]%7, program[i+1]
		// Items 0 … 127 and, far away, 128 more.
		item := uint32(with) | uint32(with>>7)<<29
		vector := []float32{float32(int(with)%5 - 2), float32(i%7 - 3), 1}
		switch what {
		case 0:
			batch = append(batch, Change{item, vector})
		case 1:
			batch = append(batch, Change{Item: item})
		case 2: // many at once: over the edges of chunks
			for j := range uint32(with) {
				batch = append(batch, Change{uint32(i)*31 + j, []float32{float32(j%9) - 4, 1, vector[0]}})
			}
		case 6: // and away with many
			for j := range uint32(with) {
				batch = append(batch, Change{Item: uint32(i)*15 + 2*j})
			}
		case 3:
			now = now.apply(t, batch...)
			versions, batch = append(versions, now), nil
		case 4:
			now.checkSearch(t, vector, int(with), nil)
			now.checkSearch(t, vector, int(with)/9, odd)
		case 5:
			now = versions[int(with)%len(versions)]
		}
	}
	slices.Reverse(versions)
	for _, v := range versions {
		v.checkVectors(t, 0, 77, 1<<29|200)
	}
}
