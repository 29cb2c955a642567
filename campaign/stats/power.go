package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// MostRuns bounds the search of RunsNeeded.
const MostRuns = 1 << 20

// Power is the chance that Fisher's test, with n runs on each side, finds the side with the rate higher worse than the one
// with the rate lower at the level alpha. It is exact: the sum over all outcomes, but for one in a billion.
func Power(lower, higher float64, n int, alpha float64) float64 {
	few, many := distuv.Binomial{N: float64(n), P: lower}, distuv.Binomial{N: float64(n), P: higher}
	from, to := likely(few)
	least, most := likely(many)
	y, power := least, 0.0
	above := tail(many, least, most)
	for x := from; x <= to; x++ {
		// The fewest failures that tell grow with x.
		for y = max(y, x+1); y <= most && Fisher(x, n, y, n) > alpha; y++ {
		}
		if y > most {
			break
		}
		power += probability(few, x) * above[y-least]
	}
	return min(1, power)
}

// likely is the range of a binomial's outcomes that are worth a look: each end that is left out has less than one in a billion.
func likely(b distuv.Binomial) (from, to int) {
	mean := b.N * b.P
	reach := 6.5*math.Sqrt(b.N*b.P*(1-b.P)) + 12 // the 12 is for small means, where the tail is Poisson's
	return max(0, int(mean-reach)), min(int(b.N), int(math.Ceil(mean+reach)))
}

// tail is the probability of each outcome or a higher one.
func tail(b distuv.Binomial, from, to int) []float64 {
	above := make([]float64, to-from+1)
	sum := 0.0
	for y := to; y >= from; y-- {
		sum += probability(b, y)
		above[y-from] = sum
	}
	return above
}

// probability is that of one outcome; gonum's is not defined for a rate of 0 or 1.
func probability(b distuv.Binomial, x int) float64 {
	switch {
	case b.P <= 0:
		return indicator(x == 0)
	case b.P >= 1:
		return indicator(x == int(b.N))
	}
	return b.Prob(float64(x))
}

func indicator(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

// RunsNeeded is how many runs on each side give Fisher's test at the level alpha the chance asked for to tell these two
// rates apart; false where even MostRuns do not.
func RunsNeeded(lower, higher, alpha, chance float64) (int, bool) {
	if higher <= lower {
		return 0, false
	}
	enough := func(n int) bool { return Power(lower, higher, n, alpha) >= chance }
	high := 1
	for !enough(high) {
		if high *= 2; high > MostRuns {
			return 0, false
		}
	}
	for low := high / 2; high-low > 1; {
		if middle := low + (high-low)/2; enough(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}

// Detectable is the smallest rate that n runs on each side would have told from the rate lower, with the chance asked for.
func Detectable(lower float64, n int, alpha, chance float64) (float64, bool) {
	if n == 0 || Power(lower, 1, n, alpha) < chance {
		return 0, false
	}
	low, high := lower, 1.0
	for high-low > 1e-4 {
		if middle := (low + high) / 2; Power(lower, middle, n, alpha) >= chance {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}
