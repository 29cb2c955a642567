package report

import (
	"cmp"
	"slices"
)

const (
	maxPoints   = 3000
	cellsLimit  = 40_000 // before the picture is made coarser while it is gathered
	coarsestBin = binsPerDecade / 5
)

// place is a cell of the latency plot: a bucket of time, a span of latency, an outcome.
type place struct {
	bucket, bin, outcome int
}

// cell is one point of the plot and the number of operations it stands for.
type cell struct {
	slowest sample
	count   int
}

// cells thin the points of a plot to one a cell.
type cells struct {
	merge int // bins to a cell
	at    map[place]cell
}

func newCells() cells { return cells{merge: 1, at: map[place]cell{}} }

func (c *cells) add(bucket int, s sample) {
	c.put(place{bucket, latencyBin(s.latency) / c.merge, outcomeIndex(s.outcome)}, cell{s, 1})
	if len(c.at) > cellsLimit && c.merge < coarsestBin {
		c.coarsen()
	}
}

func (c *cells) put(p place, add cell) {
	if old, ok := c.at[p]; ok {
		if old.slowest.latency >= add.slowest.latency {
			add.slowest = old.slowest
		}
		add.count += old.count
	}
	c.at[p] = add
}

// coarsen joins neighbouring spans of latency.
func (c *cells) coarsen() {
	c.merge *= 2
	c.regroup(func(p place) place { p.bin /= 2; return p })
}

// halve joins neighbouring buckets, as timeline.halve does.
func (c *cells) halve() {
	c.regroup(func(p place) place { p.bucket /= 2; return p })
}

func (c *cells) regroup(to func(place) place) {
	old := c.at
	c.at = make(map[place]cell, len(old))
	for p, cell := range old {
		c.put(to(p), cell)
	}
}

// points are the cells, few enough to draw, those that stand for many first so that the rare ones lie on top.
func (c *cells) points() []cell {
	for len(c.at) > maxPoints && c.merge < coarsestBin {
		c.coarsen()
	}
	for len(c.at) > maxPoints {
		c.halve()
	}
	points := make([]cell, 0, len(c.at))
	for _, cell := range c.at {
		points = append(points, cell)
	}
	slices.SortFunc(points, func(a, b cell) int {
		return cmp.Or(
			cmp.Compare(a.slowest.outcome, b.slowest.outcome),
			cmp.Compare(b.count, a.count),
			cmp.Compare(a.slowest.call, b.slowest.call),
			cmp.Compare(a.slowest.process, b.slowest.process),
		)
	})
	return points
}
