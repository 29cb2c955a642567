package report

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// axis places moments of the test along the width of a plot.
type axis struct {
	length time.Duration // of the test; positive
}

// x is a moment's place in percent of the width.
func (a axis) x(t time.Duration) float64 {
	return 100 * float64(min(max(t, 0), a.length)) / float64(a.length)
}

// span is the place and width of an interval in percent.
func (a axis) span(from, to time.Duration) (x, width float64) {
	x = a.x(from)
	return x, a.x(to) - x
}

// percent writes a position in a form that is short in the file.
func percent(x float64) string { return number(x) + "%" }

func number(x float64) string {
	return strconv.FormatFloat(math.Round(x*1000)/1000, 'f', -1, 64)
}

// tick is a labelled place on an axis.
type tick struct {
	at    float64 // percent along time, pixels along the other axes
	label string
	minor bool // shown only when the plot is zoomed
}

var tickSteps = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
	20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// ticks are about eight major ones and about forty minor ones between them.
func (a axis) ticks() []tick {
	major := a.step(8)
	minor := a.step(40)
	if major%minor != 0 {
		minor = major / 5
	}
	var ticks []tick
	for t := time.Duration(0); t <= a.length; t += minor {
		ticks = append(ticks, tick{at: a.x(t), label: tickLabel(t), minor: t%major != 0})
	}
	return ticks
}

// step is the smallest pleasant distance that gives at most n ticks.
func (a axis) step(n int) time.Duration {
	for _, s := range tickSteps {
		if a.length/s <= time.Duration(n) {
			return s
		}
	}
	day := 24 * time.Hour
	return (a.length/time.Duration(n)/day + 1) * day
}

func tickLabel(t time.Duration) string {
	if t < time.Minute {
		return strconv.FormatFloat(t.Seconds(), 'f', -1, 64) + " s"
	}
	s := int(t.Seconds())
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// linear is a scale from zero, rounded up to a pleasant number.
type linear struct {
	top    float64
	height float64 // pixels
}

func newLinear(highest, height float64) linear {
	if highest <= 0 {
		return linear{top: 1, height: height}
	}
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, m := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8, 10} {
		if m*unit >= highest {
			return linear{top: m * unit, height: height}
		}
	}
	return linear{top: 10 * unit, height: height}
}

func (l linear) y(v float64) float64 { return l.height * (1 - v/l.top) }

func (l linear) ticks() []tick {
	var ticks []tick
	for _, part := range []float64{0, 0.5, 1} {
		v := l.top * part
		ticks = append(ticks, tick{at: l.y(v), label: strconv.FormatFloat(v, 'f', -1, 64)})
	}
	return ticks
}

// logarithmic is a scale over whole decades of latency.
type logarithmic struct {
	low, high int // powers of ten of a microsecond
	height    float64
}

// newLogarithmic leaves some room above the highest, so that its mark is whole.
func newLogarithmic(lowest, highest time.Duration, height float64) logarithmic {
	decade := func(d time.Duration) float64 { return math.Log10(float64(max(d, minLatency)) / float64(minLatency)) }
	l := logarithmic{low: int(math.Floor(decade(lowest))), high: int(math.Ceil(decade(highest) + 0.06)), height: height}
	if l.high <= l.low {
		l.high = l.low + 1
	}
	return l
}

func (l logarithmic) y(d time.Duration) float64 {
	at := math.Log10(float64(max(d, minLatency))/float64(minLatency)) - float64(l.low)
	return l.height * (1 - min(max(at/float64(l.high-l.low), 0), 1))
}

func (l logarithmic) ticks() []tick {
	var ticks []tick
	for p := l.low; p <= l.high; p++ {
		d := time.Duration(math.Round(float64(minLatency) * math.Pow(10, float64(p))))
		ticks = append(ticks, tick{at: l.y(d), label: decadeLabel(d)})
	}
	return ticks
}

func decadeLabel(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return duration(d)
}
