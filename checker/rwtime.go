package checker

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Where writes are blind nothing in the data says which of them came first, but real time may: a write that was invoked
// after another had surely taken effect replaced it, so who read the first came before the second. Without these edges a
// read of what was overwritten long ago shows no cycle.

// timedWrite is a version as real time sees it.
type timedWrite struct {
	version   int32
	call, end time.Duration // end: when it had surely taken effect
}

// linkByTime links the readers of each version with the writes that were invoked after it was surely there: with those
// that no other such write surely precedes, for the others follow from these in real time.
func (o *registerOrder) linkByTime() {
	byKey := make([][]timedWrite, len(o.ts.keys))
	for v := range o.ts.versions {
		ver := &o.ts.versions[v]
		if ver.writer == noOperation || o.ts.all[ver.writer].failed() {
			continue
		}
		if w := (timedWrite{int32(v), o.ts.all[ver.writer].op.Call, o.surelyThere(int32(v))}); w.end != history.Forever {
			byKey[ver.key] = append(byKey[ver.key], w)
		}
	}
	for key, writes := range byKey {
		slices.SortStableFunc(writes, func(a, b timedWrite) int { return cmp.Compare(a.call, b.call) })
		first := make([]time.Duration, len(writes)+1) // the earliest end of writes[i:]
		first[len(writes)] = history.Forever
		for i := len(writes) - 1; i >= 0; i-- {
			first[i] = min(first[i+1], writes[i].end)
		}
		o.linkNext(o.nils[int32(key)], math.MinInt64, writes, first)
		for _, w := range writes {
			o.linkNext(o.readers[w.version], w.end, writes, first)
		}
	}
}

// surelyThere is when a version had surely been written: its transaction had returned, or another that read it had.
func (o *registerOrder) surelyThere(v int32) time.Duration {
	end := returned(o.ts.all[o.ts.versions[v].writer].op)
	for _, t := range o.readers[v] {
		end = min(end, returned(o.ts.all[t].op))
	}
	return end
}

// linkNext links readers of what was there at a time with the first writes that were invoked after it.
func (o *registerOrder) linkNext(readers []int32, at time.Duration, writes []timedWrite, first []time.Duration) {
	if len(readers) == 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(writes, at, func(w timedWrite, t time.Duration) int {
		if w.call <= t {
			return -1
		}
		return 1
	})
	for end := first[i]; i < len(writes) && writes[i].call <= end; i++ {
		for _, t := range readers {
			o.edges = o.ts.link(o.edges, t, o.ts.versions[writes[i].version].writer, readWriteByTime, writes[i].version)
		}
	}
}
