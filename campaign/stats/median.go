package stats

import (
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Median is the middle of the values, 0 where there are none. The values are not changed.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return sortedMedian(slices.Sorted(slices.Values(values)))
}

func sortedMedian(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// MedianInterval is the interval of a median by order statistics: it supposes nothing of the distribution but that the values
// are independent. Too few values for the confidence give false, and all of their range.
func MedianInterval(values []float64, confidence float64) (Interval, bool) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return Interval{}, false
	}
	half := distuv.Binomial{N: float64(n), P: 0.5}
	// The r-th from either end, with the largest r whose tail still is small enough: P(fewer than r below the median).
	r := 0
	for 2*(r+1) <= n+1 && half.CDF(float64(r)) <= (1-confidence)/2 {
		r++
	}
	if r == 0 {
		return Interval{sorted[0], sorted[n-1]}, false
	}
	return Interval{sorted[r-1], sorted[n-r]}, true
}

// resamples is how often a bootstrap draws: the ends of a 99 % interval still rest on some ten draws each.
const resamples = 2000

// MedianRatio is the interval of median(b) / median(a) by the percentile bootstrap (Efron 1979). It is a function of its
// arguments: the draws are seeded. Fewer than five values on a side give false, and so does a median of 0 in a.
func MedianRatio(a, b []float64, confidence float64) (Interval, bool) {
	const fewest = 5
	if len(a) < fewest || len(b) < fewest {
		return Interval{}, false
	}
	rng := rand.New(rand.NewPCG(uint64(len(a)), uint64(len(b))))
	ratios := make([]float64, 0, resamples)
	drawnA, drawnB := make([]float64, len(a)), make([]float64, len(b))
	for range resamples {
		below := drawnMedian(a, drawnA, rng)
		if below == 0 {
			return Interval{}, false
		}
		ratios = append(ratios, drawnMedian(b, drawnB, rng)/below)
	}
	slices.Sort(ratios)
	return Interval{
		stat.Quantile((1-confidence)/2, stat.Empirical, ratios, nil),
		stat.Quantile(1-(1-confidence)/2, stat.Empirical, ratios, nil),
	}, true
}

// drawnMedian is the median of as many values drawn with replacement.
func drawnMedian(from, into []float64, rng *rand.Rand) float64 {
	for i := range into {
		into[i] = from[rng.IntN(len(from))]
	}
	slices.Sort(into)
	return sortedMedian(into)
}
