package evaluate

const golden = 0x9E3779B97F4A7C15 // 2⁶⁴/φ, odd

// The purposes a hash is drawn for; each is the s of Hash.
const (
	seedUser  = 1 // order of users
	seedItem  = 2 // order of a user's items
	seedColdI = 3 // order of items, for cold ones
	seedTie   = 6 // order of items with equal scores
)

// Hash is H(s, a, b) of the protocols: 64 well mixed bits of a purpose and two ids.
// All arithmetic wraps around.
func Hash(s, a, b uint64) uint64 {
	return mix(mix(s+golden*(a+1)) + golden*(b+1))
}

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xBF58476D1CE4E5B9
	x ^= x >> 27
	x *= 0x94D049BB133111EB
	x ^= x >> 31
	return x
}
