package stats

import (
	"math"
	"sync"
)

// tie is how much larger than the observed table's a probability may come out and still count as no more likely: sums of
// logarithms are not exact. R takes the same.
const tie = 1 + 1e-7

// Fisher is the two-sided p-value of Fisher's exact test: a in n and b in m were seen; how likely is a difference at least
// as telling, if both have the same rate? (The sum of all tables with the same margins that are no more likely.)
func Fisher(a, n, b, m int) float64 {
	if n == 0 || m == 0 {
		return 1
	}
	t := newMargins(n, m, a+b)
	observed := t.probability(a)
	p := 0.0
	for x := t.low; x <= t.high; x++ {
		if q := t.probability(x); q <= observed*tie {
			p += q
		}
	}
	return min(1, p)
}

// margins are all two-by-two tables with the same sums: x of n on one side, k-x of m on the other.
type margins struct {
	n, m, k   int
	low, high int // of x
	all       float64
}

func newMargins(n, m, k int) margins {
	return margins{n: n, m: m, k: k, low: max(0, k-m), high: min(k, n), all: logChoose(n+m, k)}
}

// probability is hypergeometric.
func (t margins) probability(x int) float64 {
	return math.Exp(logChoose(t.n, x) + logChoose(t.m, t.k-x) - t.all)
}

// logChoose is the logarithm of n over k.
func logChoose(n, k int) float64 {
	return logFactorial(n) - logFactorial(k) - logFactorial(n-k)
}

func logFactorial(n int) float64 {
	if known := logFactorials(); n < len(known) {
		return known[n]
	}
	return lgammaOfNext(n)
}

// logFactorials are those of campaigns' usual sizes: a search for the runs that are needed asks for millions.
var logFactorials = sync.OnceValue(func() []float64 {
	known := make([]float64, 1<<13)
	for n := range known {
		known[n] = lgammaOfNext(n)
	}
	return known
})

func lgammaOfNext(n int) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}
