package checker

import (
	"context"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// mention is what an operation has to do with values.
type mention struct {
	names  []history.Value // values it writes, saw, or needs to have its effect
	writes []history.Value // of those, values it writes or may have written
}

// reducer shrinks an illegal set of operations to one in which nothing more can be left out. It only leaves out what
// keeps the argument sound: a set that is illegal only because the write of a value somebody read is missing says
// nothing about the system. Three things are left out:
//
//   - what was invoked after the shortest prefix that is illegal by itself;
//   - operations that change nothing;
//   - a value with all that has to do with it: every operation that names it, and so on for values these wrote. The
//     others have the same order as before: what each of them saw was written by another that is still there.
type reducer struct {
	model   *Model
	illegal func(ops []*history.Operation) bool // false also when it could not tell
	values  func(op *history.Operation) mention // nil: values stay
	project projection                          // nil: operations stay as they are
	base    *history.Operation                  // stands for all that was before the others, and stays; nil: there is none
	ops     []*history.Operation
	open    map[*history.Operation]*history.Operation // of ops, those still open at the cut, and as they were recorded
}

// reduceTime bounds one question to the checker while evidence is reduced.
const reduceTime = time.Second

// reduce returns few operations of the illegal ops that are illegal together; the conflict of a decision, if it has one, are ops that may
// already be. Its base may not be left out: what the others saw and none of them wrote was overwritten by it. When the context ends
// reduce returns the fewest so far.
func reduce(ctx context.Context, m *Model, ops []*history.Operation, at decision, memory int64) []*history.Operation {
	r := newReducer(ctx, m, ops, memory)
	if at.conflict != nil && r.illegal(at.conflict) {
		r.ops, r.base = at.conflict, at.base
	}
	r.reduce()
	return r.recorded()
}

func newReducer(ctx context.Context, m *Model, ops []*history.Operation, memory int64) *reducer {
	r := &reducer{model: m, values: m.values, ops: ops}
	if m.project != nil {
		var ok bool
		if r.project, ok = m.project(ops); !ok {
			r.values, r.project = nil, nil
		}
	}
	r.illegal = func(part []*history.Operation) bool { return isIllegal(ctx, m, part, memory) }
	return r
}

// isIllegal is false also when that cannot be told in time.
func isIllegal(ctx context.Context, m *Model, part []*history.Operation, memory int64) bool {
	if ctx.Err() != nil {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, reduceTime)
	defer cancel()
	b := newBounds(limited, memory)
	defer b.release()
	return decideObject(b, m, part).verdict == Invalid
}

func (r *reducer) reduce() {
	r.cut()
	if r.values != nil {
		r.shrink(r.valueUnits())
	}
	r.shrink(r.readUnits())
	if r.values != nil { // a value that only a read named may go now
		r.shrink(r.valueUnits())
	}
}

// recorded is what remains, with operations that were still open at the cut as they ended later.
func (r *reducer) recorded() []*history.Operation {
	var ops []*history.Operation
	for _, op := range r.ops {
		if whole, ok := r.open[op]; ok {
			op = whole
		}
		ops = append(ops, op)
	}
	return ops
}

// cut leaves out what happened after the shortest illegal prefix. What returned later has no outcome any more: its answer
// may depend on what is left out.
func (r *reducer) cut() {
	var ends []time.Duration
	for _, op := range r.ops {
		if end := returned(op); end != history.Forever {
			ends = append(ends, end)
		}
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	low, high := 0, len(ends)-1 // the prefix up to ends[high] is illegal: it is all of them
	for low < high {
		middle := low + (high-low)/2
		if r.illegal(r.prefix(ends[middle])) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if len(ends) > 0 {
		r.ops = r.prefix(ends[high])
	}
}

// prefix is the history up to a time: operations that return later have no outcome yet.
func (r *reducer) prefix(end time.Duration) []*history.Operation {
	var part []*history.Operation
	for _, op := range r.ops {
		switch {
		case op.Call > end:
		case returned(op) <= end || op.Type != history.OK:
			part = append(part, op)
		case r.model.ReadOnly == nil || !r.model.ReadOnly(op):
			open := *op
			if r.open == nil {
				r.open = make(map[*history.Operation]*history.Operation)
			}
			r.open[&open] = op
			open.Type, open.Return, open.Output = history.Info, history.Forever, history.Nil
			part = append(part, &open)
		}
	}
	return part
}

// A unit is something that can be left out: it says what remains without it and its like.
type unit struct {
	op    *history.Operation // one operation, or
	value string             // a value, by its JSON
}

func (r *reducer) readUnits() []unit {
	var units []unit
	for _, op := range r.ops {
		if r.model.pureOperation(op) {
			units = append(units, unit{op: op})
		}
	}
	return units
}

func (r *reducer) valueUnits() []unit {
	var units []unit
	seen := map[string]bool{}
	for _, op := range r.ops {
		for _, v := range r.values(op).writes {
			if id := valueID(v); !seen[id] {
				seen[id] = true
				units = append(units, unit{value: id})
			}
		}
	}
	return units
}

func valueID(v history.Value) string { return string(v.AppendJSON(nil)) }

// shrink leaves out as many units as it can: halves first, single ones last (Zeller's delta debugging).
func (r *reducer) shrink(units []unit) {
	for size := (len(units) + 1) / 2; size > 0; {
		left := units[:0:0]
		for i := 0; i < len(units); i += size {
			chunk := units[i:min(i+size, len(units))]
			part := r.without(chunk)
			if len(part) > 0 && !slices.Equal(part, r.ops) && r.illegal(part) {
				r.ops = part
			} else {
				left = append(left, chunk...)
			}
		}
		if len(left) == len(units) || size > 1 {
			size /= 2
		}
		units = left
	}
}

// without is what remains without the units.
func (r *reducer) without(units []unit) []*history.Operation {
	gone := make(map[*history.Operation]bool)
	values := make(map[string]bool)
	for _, u := range units {
		if u.op != nil {
			gone[u.op] = true
		} else {
			values[u.value] = true
		}
	}
	for grown := len(values) > 0; grown; {
		grown = false
		for _, op := range r.ops {
			if !gone[op] && r.namesOneOf(op, values) {
				gone[op], grown = true, true
				for _, v := range r.values(op).writes {
					values[valueID(v)] = true
				}
			}
		}
	}
	if r.base != nil && gone[r.base] {
		return r.ops
	}
	left := slices.DeleteFunc(slices.Clone(r.ops), func(op *history.Operation) bool { return gone[op] })
	if r.project != nil {
		for i, op := range left {
			left[i] = r.project(op, values)
		}
	}
	return left
}

func (r *reducer) namesOneOf(op *history.Operation, values map[string]bool) bool {
	return slices.ContainsFunc(r.values(op).names, func(v history.Value) bool { return values[valueID(v)] })
}
