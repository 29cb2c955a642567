package checker

import (
	"cmp"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Where an element is enqueued more than once nobody can tell which of its dequeues took which. If the elements can be told
// apart in some way so that the queue is legal, it is legal: the same order explains it without. So a few likely ways are
// tried, each as cheap as a queue of distinct elements. None of them fitting proves nothing, and a search decides.

// matching is a way to tell equal elements apart: in which order they were put, and taken.
type matching func(op *history.Operation) time.Duration

var matchings = []matching{
	func(op *history.Operation) time.Duration { return op.Call },
	returned,
	func(op *history.Operation) time.Duration { return op.Call/2 + returned(op)/2 },
}

// matchQueue tells whether the queue is legal in one of the likely ways. A dequeue that crashed is taken for one that had no
// effect.
func matchQueue(b *bounds, ops []*history.Operation) bool {
	for _, by := range matchings {
		if b.stopped() {
			return false
		}
		d := &queueDecision{ops: ops, values: newInterner()}
		if d.match(by) && d.checkOrder() == nil && d.checkEmpty() == nil {
			return true
		}
	}
	return false
}

// decideRepeated decides a queue whose elements cannot be told apart, as far as that is possible without a search of the whole.
func decideRepeated(b *bounds, ops []*history.Operation) (Verdict, []int32, string, bool) {
	if conflict := takenTooOften(ops); conflict != nil {
		return Invalid, conflict, byPatterns, true
	}
	if matchQueue(b, ops) {
		return Valid, nil, byMatching, true
	}
	if parts := cutWhereEmpty(ops); len(parts) > 1 {
		verdict, conflict := decideParts(b, ops, parts)
		return verdict, conflict, byParts, true
	}
	return Unknown, nil, "", false
}

// takenTooOften finds an element that had been taken more often than anybody had begun to put it there.
func takenTooOften(ops []*history.Operation) (conflict []int32) {
	values := newInterner()
	puts, takes := make(map[uint32][]int32), make(map[uint32][]int32)
	for i, op := range ops {
		switch {
		case op.F == "enqueue":
			v := values.number(op.Input)
			puts[v] = append(puts[v], int32(i))
		case op.Type == history.OK && !op.Output.IsNil():
			v := values.number(op.Output)
			takes[v] = append(takes[v], int32(i))
		}
	}
	for v := range uint32(len(values.values)) {
		put, take := puts[v], takes[v]
		slices.SortStableFunc(put, func(i, j int32) int { return cmp.Compare(ops[i].Call, ops[j].Call) })
		slices.SortStableFunc(take, func(i, j int32) int { return cmp.Compare(ops[i].Return, ops[j].Return) })
		for n, i := range take {
			if n >= len(put) || ops[put[n]].Call > ops[i].Return {
				conflict = slices.Concat(put[:min(n, len(put))], take[:n+1])
				slices.Sort(conflict)
				return conflict
			}
		}
	}
	return nil
}

// cutWhereEmpty cuts the operations at moments at which none was open and as many elements had been taken as put: the queue
// was empty, as at the beginning, so that the parts are decided one by one.
func cutWhereEmpty(ops []*history.Operation) (parts [][]int32) {
	f := &frontier{ops: ops}
	open, inside := 0, 0
	var part []int32
	for _, e := range f.events() {
		i := int32(e >> 1)
		op := ops[i]
		if e&1 == 0 {
			part = append(part, i)
			open++
			continue
		}
		open--
		if op.F == "enqueue" {
			inside++
		} else if !op.Output.IsNil() {
			inside--
		}
		if open == 0 && inside == 0 {
			parts = append(parts, part)
			part = nil
		}
	}
	if part != nil {
		parts = append(parts, part)
	}
	return parts
}

// decideParts decides the parts, the short ones first: one that is illegal is enough.
func decideParts(b *bounds, ops []*history.Operation, parts [][]int32) (Verdict, []int32) {
	m, verdict := Queue(), Valid
	slices.SortStableFunc(parts, func(a, b []int32) int { return len(a) - len(b) })
	for _, part := range parts {
		number := make(map[*history.Operation]int32, len(part))
		some := numbered(ops, part)
		for n, op := range some {
			number[op] = part[n]
		}
		d := decideObject(b, &m, some)
		if d.verdict == Invalid {
			conflict := part
			if d.conflict != nil {
				conflict = nil
				for _, op := range d.conflict {
					conflict = append(conflict, number[op])
				}
			}
			slices.Sort(conflict)
			return Invalid, conflict
		}
		verdict = verdict.And(d.verdict)
	}
	return verdict, nil
}

// match finds the elements and who took them; false: something was taken that nobody had put there.
func (d *queueDecision) match(by matching) bool {
	puts, takes := make(map[uint32][]int32), make(map[uint32][]int32) // by value
	for i, op := range d.ops {
		switch {
		case op.F == "enqueue":
			v := d.values.number(op.Input)
			puts[v] = append(puts[v], int32(i))
		case op.Type != history.OK:
		case op.Output.IsNil():
			d.empty = append(d.empty, int32(i))
		default:
			v := d.values.number(op.Output)
			takes[v] = append(takes[v], int32(i))
		}
	}
	earlier := func(i, j int32) int { return cmp.Compare(by(d.ops[i]), by(d.ops[j])) }
	for v := range uint32(len(d.values.values)) {
		put, take := puts[v], takes[v]
		if len(take) > len(put) {
			return false
		}
		put = d.certain(put, len(take))
		slices.SortStableFunc(put, earlier)
		slices.SortStableFunc(take, earlier)
		for n, i := range put {
			e := queueElement{put: i, taken: noOperation}
			if n < len(take) {
				if e.taken = take[n]; d.ops[take[n]].Return < d.ops[i].Call {
					return false
				}
			}
			d.elements = append(d.elements, e)
		}
	}
	return true
}

// certain are the puts that returned, and of those that crashed as many of the earliest as are needed to have been taken.
func (d *queueDecision) certain(puts []int32, taken int) []int32 {
	crashed := func(i int32) bool { return d.ops[i].Type != history.OK }
	some := slices.DeleteFunc(slices.Clone(puts), crashed)
	for _, i := range puts {
		if crashed(i) && len(some) < taken {
			some = append(some, i)
		}
	}
	return some
}
