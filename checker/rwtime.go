package checker

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Where writes are blind nothing in the data says which of them came first, but order may: of two versions of a key the one
// that a transaction wrote or read came first when another wrote or read the other later, in real time or in a client's own
// order. So who wrote or read the first came before who wrote the second. Without these edges a read of what was overwritten
// long ago shows no cycle, nor do two readers who saw two versions in turns.

// timedVersion is a version as real time sees it.
type timedVersion struct {
	version int32
	end     time.Duration // when it had surely been there: one that wrote or read it had returned
	last    time.Duration // when it had surely not been replaced for good: one that writes or reads it is called
}

// linkByTime links those who wrote and read each version with the writers of versions that surely came later: with those
// that no other such version surely precedes, for the others follow from these.
func (o *registerOrder) linkByTime() {
	byKey, seen := make([][]timedVersion, len(o.ts.keys)), surelyThere(o.ts, o.readers)
	for v := range o.ts.versions {
		ver := &o.ts.versions[v]
		if ver.writer == noOperation || o.ts.all[ver.writer].failed() {
			continue
		}
		if t := timed(o.ts, int32(v), o.readers[v], seen); t.end != history.Forever {
			byKey[ver.key] = append(byKey[ver.key], t)
		}
	}
	for key, versions := range byKey {
		if o.ts.b.stopped() {
			return
		}
		slices.SortStableFunc(versions, func(a, b timedVersion) int { return cmp.Compare(a.last, b.last) })
		o.linkLater(timedVersion{version: noVersion, end: math.MinInt64}, noOperation, o.nils[int32(key)], versions)
		for _, v := range versions {
			o.linkLater(v, o.ts.versions[v.version].writer, o.readers[v.version], versions)
		}
	}
}

// surelyThere tells, of crashed transactions of which something was seen, when all they wrote had surely been there.
func surelyThere(ts *txns, readers [][]int32) map[int32]time.Duration {
	seen := make(map[int32]time.Duration)
	for v, by := range readers {
		w := ts.versions[v].writer
		if len(by) == 0 || w == noOperation || ts.all[w].committed() {
			continue
		}
		if _, ok := seen[w]; !ok {
			seen[w] = history.Forever
		}
		for _, r := range by {
			seen[w] = min(seen[w], returned(ts.all[r].op))
		}
	}
	return seen
}

func timed(ts *txns, v int32, readers []int32, seen map[int32]time.Duration) timedVersion {
	writer := ts.versions[v].writer
	w := ts.all[writer].op
	t := timedVersion{version: v, end: returned(w), last: w.Call}
	if end, ok := seen[writer]; ok {
		t.end = end
	}
	for _, r := range readers {
		op := ts.all[r].op
		t.end, t.last = min(t.end, returned(op)), max(t.last, op.Call)
	}
	return t
}

// linkLater links the writer and the readers of a version with the writers of the first versions that came later.
func (o *registerOrder) linkLater(v timedVersion, writer int32, readers []int32, versions []timedVersion) {
	i, _ := slices.BinarySearchFunc(versions, v.end, func(w timedVersion, t time.Duration) int {
		if w.last <= t {
			return -1
		}
		return 1
	})
	for end := time.Duration(history.Forever); i < len(versions) && versions[i].last <= end; i++ {
		if later := versions[i]; later.version != v.version {
			o.linkTo(later.version, writer, readers, writeWriteByTime, readWriteByTime)
			end = min(end, later.end)
		}
	}
}

// linkTo links the writer and the readers of a version with the writer of a later one.
func (o *registerOrder) linkTo(later, writer int32, readers []int32, ww, rw dependency) {
	to := o.ts.versions[later].writer
	o.edges = o.ts.link(o.edges, writer, to, ww, later)
	for _, t := range readers {
		o.edges = o.ts.link(o.edges, t, to, rw, later)
	}
}

// linkBySession does the same for what each client saw and wrote of a key in its own order.
func (o *registerOrder) linkBySession() {
	type session struct {
		process int
		key     int32
	}
	latest := make(map[session]int32) // the version it saw or wrote last; none: nil, before which nothing came
	for t := range o.ts.all {
		tx := &o.ts.all[t]
		if o.ts.stopped(t) {
			return
		}
		if !tx.committed() {
			continue
		}
		for i := range tx.steps {
			s := &tx.steps[i]
			at := session{tx.op.Process, s.key}
			before, seen := latest[at]
			if s.version == noVersion {
				continue // nil precedes all that was seen, as linkVersions has it
			}
			latest[at] = s.version
			if writer := o.ts.versions[s.version].writer; seen && before != s.version && writer != noOperation {
				o.linkTo(s.version, o.ts.versions[before].writer, o.readers[before], writeWriteBySession, readWriteBySession)
			}
		}
	}
}
