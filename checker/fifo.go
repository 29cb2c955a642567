package checker

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Where elements are enqueued more than once, or a dequeue crashed, nobody can tell which dequeue took which element. So
// enqueues and dequeues are matched one after another, in the order in which the elements pass through the queue: what is known
// of the past is which of them are matched, not what the queue holds, and with few clients that is few things.
//
// Any enqueue and dequeue may be matched next that no other left over had to come before, in real time; the enqueue must not
// have been called after one of the dequeues left over returned, for all of these come after it. Among equal elements those
// that returned first are matched first: what can be done afterwards can be done with any other choice only if with this. A
// dequeue that found nothing takes its place as soon as no enqueue left over had returned before it, or before a dequeue that
// comes before it: so that of equal dequeues one that was called earlier may be the better choice.

// fifo is the state of such a search.
type fifo struct {
	ops     []*history.Operation
	values  []uint32 // by operation: the element; 0: none
	puts    []int32  // that returned, by call
	takes   []int32
	crashed []int32 // both kinds
	latest  time.Duration
}

// matched is a configuration: which operations are matched.
type matched struct {
	puts, takes int     // so many of the first
	more        []int32 // and these, sorted
}

// decideFIFO decides any queue within the bounds.
func decideFIFO(b *bounds, ops []*history.Operation) (Verdict, []int32, string, bool) {
	f := newFIFO(ops)
	layer, seen := []matched{{}}, make(map[string]bool)
	for len(layer) > 0 {
		var next []matched
		var held int64
		clear(seen)
		for _, m := range layer {
			if m.takes == len(f.takes) {
				return Valid, nil, byMatching, true
			}
			for _, n := range f.next(&m) {
				if key := n.key(); !seen[key] {
					seen[key] = true
					next = append(next, n)
					held += 200 + 6*int64(len(key))
				}
			}
			if b.stopped() {
				return Unknown, nil, byMatching, true
			}
		}
		b.charge(held)
		b.charge(-held)
		layer = next
	}
	return Invalid, f.conflict(), byMatching, true
}

func newFIFO(ops []*history.Operation) *fifo {
	f := &fifo{ops: ops, values: make([]uint32, len(ops))}
	values := newInterner()
	for i, op := range ops {
		switch {
		case op.F == "enqueue":
			f.values[i] = values.number(op.Input)
		case op.Type == history.OK:
			f.values[i] = values.number(op.Output)
		}
		switch {
		case op.Type != history.OK:
			f.crashed = append(f.crashed, int32(i))
		case op.F == "enqueue":
			f.puts = append(f.puts, int32(i))
		default:
			f.takes = append(f.takes, int32(i))
		}
	}
	for _, some := range [][]int32{f.puts, f.takes, f.crashed} {
		slices.SortStableFunc(some, func(i, j int32) int { return compareTimes(ops[i].Call, ops[j].Call) })
	}
	return f
}

// conflict is what the search met before it ended: what was called later had no part in it.
func (f *fifo) conflict() (numbers []int32) {
	for i, op := range f.ops {
		if op.Call <= f.latest {
			numbers = append(numbers, int32(i))
		}
	}
	return numbers
}

// ready are the operations left over of some, sorted by call, that no other of them had to come before, and when the first
// of them returned.
func (f *fifo) ready(some []int32, more []int32) (ready []int32, first time.Duration) {
	first = history.Forever
	for _, i := range some {
		if f.ops[i].Call > first {
			break
		}
		if _, done := slices.BinarySearch(more, i); !done {
			ready = append(ready, i)
			first = min(first, f.ops[i].Return)
		}
	}
	return ready, first
}

// next are the configurations with one more dequeue matched.
func (f *fifo) next(m *matched) (next []matched) {
	takes, firstTake := f.ready(f.takes[m.takes:], m.more)
	puts, firstPut := f.ready(f.puts[m.puts:], m.more)
	f.latest = max(f.latest, firstTake)
	for _, i := range f.crashed {
		if f.ops[i].Call > firstTake {
			break
		}
		if _, done := slices.BinarySearch(m.more, i); done {
			continue
		}
		if f.ops[i].F == "dequeue" {
			takes = append(takes, i)
		} else if f.ops[i].Call <= firstPut {
			puts = append(puts, i)
		}
	}
	puts = f.earliest(slices.DeleteFunc(puts, func(i int32) bool { return f.ops[i].Call > firstTake }))
	for _, take := range f.earliest(takes) {
		op := f.ops[take]
		if op.Type == history.OK && f.values[take] == 0 {
			if firstPut >= max(op.Call, f.lastTake(m)) {
				return []matched{f.with(m, take)}
			}
			continue
		}
		for _, put := range puts {
			if op.Type != history.OK || f.values[put] == f.values[take] {
				next = append(next, f.with(m, put, take))
			}
		}
	}
	return next
}

// lastTake is when the last of the dequeues matched was called.
func (f *fifo) lastTake(m *matched) (last time.Duration) {
	if m.takes > 0 {
		last = f.ops[f.takes[m.takes-1]].Call
	}
	for _, i := range m.more {
		if f.ops[i].F == "dequeue" {
			last = max(last, f.ops[i].Call)
		}
	}
	return last
}

// earliest leaves out those of which an equal one is no worse.
func (f *fifo) earliest(some []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(some), func(i int32) bool {
		return slices.ContainsFunc(some, func(j int32) bool { return i != j && f.noWorse(j, i) && (i > j || !f.noWorse(i, j)) })
	})
}

// noWorse tells whether all that can be done with an operation can be done with another that is equal to it.
func (f *fifo) noWorse(one, other int32) bool {
	a, b := f.ops[one], f.ops[other]
	switch {
	case f.values[one] != f.values[other], returned(a) > returned(b):
		return false
	case a.F == "enqueue":
		return true
	}
	return a.Type == b.Type && a.Call <= b.Call
}

// with is the configuration with more matched.
func (f *fifo) with(m *matched, more ...int32) matched {
	n := matched{puts: m.puts, takes: m.takes, more: slices.Concat(m.more, more)}
	slices.Sort(n.more)
	n.puts, n.more = advance(f.puts, n.puts, n.more)
	n.takes, n.more = advance(f.takes, n.takes, n.more)
	return n
}

// advance counts among the first of some what is in more, and takes it out there.
func advance(some []int32, n int, more []int32) (int, []int32) {
	for n < len(some) {
		at, ok := slices.BinarySearch(more, some[n])
		if !ok {
			break
		}
		more = slices.Delete(more, at, at+1)
		n++
	}
	return n, more
}

// key is the same for equal configurations.
func (m *matched) key() string {
	b := binary.AppendUvarint(nil, uint64(m.puts))
	b = binary.AppendUvarint(b, uint64(m.takes))
	for _, i := range m.more {
		b = binary.AppendUvarint(b, uint64(i))
	}
	return string(b)
}
