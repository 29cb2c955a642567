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

// exactFailures bounds the search that sums over outcomes; where more are to be expected the approximation is as good, and takes no time.
const exactFailures = 60

// RunsNeeded is how many runs on each side give Fisher's test at the level alpha the chance asked for to tell these two
// rates apart; false where even MostRuns do not.
func RunsNeeded(lower, higher, alpha, chance float64) (int, bool) {
	if higher <= lower {
		return 0, false
	}
	near := approximateRuns(lower, higher, alpha, chance)
	if near > MostRuns {
		return 0, false
	}
	if near*higher > exactFailures {
		return int(math.Ceil(near)), true
	}
	enough := func(n int) bool { return Power(lower, higher, n, alpha) >= chance }
	low, high := 0, max(2, int(near))
	for !enough(high) {
		low, high = high, high+high/4+1
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; enough(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}

// approximateRuns is Casagrande, Pike and Smith's approximation (1978) of what Fisher's test needs.
func approximateRuns(lower, higher, alpha, chance float64) float64 {
	z := distuv.UnitNormal.Quantile
	mean, d := (lower+higher)/2, higher-lower
	a := math.Pow(z(1-alpha/2)*math.Sqrt(2*mean*(1-mean))+z(chance)*math.Sqrt(lower*(1-lower)+higher*(1-higher)), 2)
	return a * math.Pow(1+math.Sqrt(1+4*d/a), 2) / (4 * d * d)
}

// Detectable is the smallest rate that n runs on each side would have told from the rate lower, with the chance asked for.
func Detectable(lower float64, n int, alpha, chance float64) (float64, bool) {
	told := func(higher float64) bool { return Power(lower, higher, n, alpha) >= chance }
	if float64(n)*lower > exactFailures {
		told = func(higher float64) bool { return approximateRuns(lower, higher, alpha, chance) <= float64(n) }
	}
	if n == 0 || lower >= 1 || !told(1) {
		return 0, false
	}
	low, high := lower, 1.0
	for range 12 { // halvings: to a fraction of a percent
		if middle := (low + high) / 2; told(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}
