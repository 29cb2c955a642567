package report

import (
	"math"
	"time"
)

const (
	binsPerDecade = 40 // a bin is 6% wide
	minLatency    = time.Microsecond
	latencyBins   = 9 * binsPerDecade // 1 us to 1000 s
)

// histogram counts latencies in bins of equal width on a logarithmic scale. Merging two loses nothing.
type histogram struct {
	bins  [latencyBins]uint32
	total int
}

func latencyBin(d time.Duration) int {
	if d <= minLatency {
		return 0
	}
	bin := int(math.Log10(float64(d)/float64(minLatency)) * binsPerDecade)
	return min(bin, latencyBins-1)
}

// binLatency is the middle of a bin.
func binLatency(bin int) time.Duration {
	return time.Duration(float64(minLatency) * math.Pow(10, (float64(bin)+0.5)/binsPerDecade))
}

func (h *histogram) add(d time.Duration) {
	h.bins[latencyBin(d)]++
	h.total++
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.bins {
		h.bins[i] += n
	}
	h.total += o.total
}

// quantile is the latency that the share q of all stays below, to within a bin; zero when there are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := max(int(math.Ceil(q*float64(h.total))), 1)
	for i, n := range h.bins {
		if rank -= int(n); rank <= 0 {
			return binLatency(i)
		}
	}
	panic("report: a histogram's total exceeds its bins")
}
