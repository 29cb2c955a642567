package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a range that holds the true value with the confidence asked for.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Wilson is the score interval of a rate of which k in n were seen (Wilson 1927; without correction for continuity). It is
// the whole of [0, 1] where nothing was seen.
func Wilson(k, n int, confidence float64) Interval {
	if n == 0 {
		return Interval{0, 1}
	}
	z := distuv.UnitNormal.Quantile(1 - (1-confidence)/2)
	p, m, zz := float64(k)/float64(n), float64(n), z*z
	middle := (p + zz/(2*m)) / (1 + zz/m)
	half := z / (1 + zz/m) * math.Sqrt(p*(1-p)/m+zz/(4*m*m))
	i := Interval{max(0, middle-half), min(1, middle+half)}
	if k == 0 { // exact, where the arithmetic is not
		i.Low = 0
	}
	if k == n {
		i.High = 1
	}
	return i
}

// LeastRate is the lower confidence limit of a rate of which k in n were seen, exact (Clopper and Pearson 1934): it lies
// above the true rate with a probability of at most risk. It holds as well where n grew until k had been seen.
func LeastRate(k, n int, risk float64) float64 {
	if k == 0 || n == 0 {
		return 0
	}
	return mathext.InvRegIncBeta(float64(k), float64(n-k+1), risk)
}
