package stats

import (
	"slices"

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

// MedianRatio is an interval of median(b) / median(a), for positive values: from the intervals of both by order statistics, each with half the
// error, so that it holds the ratio with at least the confidence asked for, whatever the distributions are and however few the values.
// (Of a bootstrap of five values a side the percentiles are the whole range, which misses more often than a family of tests allows.) Too few values for the
// confidence give false, and so do values of 0 where the interval of a begins.
func MedianRatio(a, b []float64, confidence float64) (Interval, bool) {
	each := 1 - (1-confidence)/2
	below, sureBelow := MedianInterval(a, each)
	above, sureAbove := MedianInterval(b, each)
	if !sureBelow || !sureAbove || below.Low <= 0 {
		return Interval{}, false
	}
	return Interval{above.Low / below.High, above.High / below.Low}, true
}
