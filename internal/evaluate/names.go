package evaluate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// stageOf names a fold or a stage by a number, "k = 4".
func stageOf(what string, n int) string { return fmt.Sprintf("%s = %d", what, n) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
