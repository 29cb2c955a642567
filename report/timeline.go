package report

import (
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

const (
	firstBucket = 100 * time.Millisecond
	maxBuckets  = 400 // about a bucket for three pixels of a wide screen
)

// outcomes in the order they are stacked and listed.
var outcomes = [...]history.Type{history.OK, history.Fail, history.Info}

// sample is a completed client operation as the latency plot knows it.
type sample struct {
	call, latency time.Duration
	process       int
	f, key, node  string
	outcome       history.Type
	err           string
}

// bucket sums up what completed in a stretch of time.
type bucket struct {
	counts  [len(outcomes)]int
	latency histogram // of ok operations: a failed or lost one says how long the client waited, not how fast the system is
}

// timeline is the aggregate of a history, of a size that does not depend on the number of operations.
type timeline struct {
	width   time.Duration // of a bucket; doubled whenever there are too many
	buckets []*bucket
	cells   cells
	total   histogram
	counts  [len(outcomes)]int
	byF     map[string]*byF
	slowest sample
	last    time.Duration
}

type byF struct {
	counts  [len(outcomes)]int
	latency histogram
	highest time.Duration // of ok operations
}

func newTimeline() *timeline {
	return &timeline{width: firstBucket, cells: newCells(), byF: map[string]*byF{}}
}

// add takes the next operation. One that is open at the end of the history did not complete.
func (t *timeline) add(j *joined) {
	if j.ended == history.Forever {
		return
	}
	t.complete(sample{
		call: j.Call - j.Late, latency: j.ended - j.Call + j.Late, process: j.Process, f: j.F, key: j.Key, node: j.Node, outcome: j.Type, err: j.Error,
	})
}

// complete counts an operation where it completed.
func (t *timeline) complete(s sample) {
	o := outcomeIndex(s.outcome)
	at := s.call + s.latency
	for int(at/t.width) >= maxBuckets {
		t.halve()
	}
	i := int(at / t.width)
	for len(t.buckets) <= i {
		t.buckets = append(t.buckets, &bucket{})
	}
	t.buckets[i].counts[o]++
	t.counts[o]++
	f := t.byF[boundedName(t.byF, s.f)]
	if f == nil {
		f = &byF{}
		t.byF[boundedName(t.byF, s.f)] = f
	}
	f.counts[o]++
	if s.outcome == history.OK {
		t.buckets[i].latency.add(s.latency)
		t.total.add(s.latency)
		f.latency.add(s.latency)
		f.highest = max(f.highest, s.latency)
		if s.latency > t.slowest.latency {
			t.slowest = s
		}
	}
	t.cells.add(i, s)
}

// boundedName keeps a history with invented operation names from filling the page.
func boundedName(known map[string]*byF, f string) string {
	if _, ok := known[f]; ok || len(known) < 50 {
		return f
	}
	return "(others)"
}

func outcomeIndex(t history.Type) int {
	for i, o := range outcomes {
		if o == t {
			return i
		}
	}
	panic("report: an operation that completed with " + t.String())
}

// halve joins neighbouring buckets.
func (t *timeline) halve() {
	t.width *= 2
	joined := make([]*bucket, 0, (len(t.buckets)+1)/2)
	for i, b := range t.buckets {
		if i%2 == 0 {
			joined = append(joined, b)
			continue
		}
		half := joined[len(joined)-1]
		for o, n := range b.counts {
			half.counts[o] += n
		}
		half.latency.merge(&b.latency)
	}
	t.buckets = joined
	t.cells.halve()
}
