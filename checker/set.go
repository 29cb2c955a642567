package checker

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/history"
)

// Set is a set that only grows.
//
//	add: input is the element.
//	read: output is the list of all elements, in any order.
func Set() Model {
	return Model{
		Name:     "set",
		object:   "set",
		Init:     func() any { return "[]" },
		Step:     setStep,
		ReadOnly: func(op *history.Operation) bool { return op.F == "read" },
		Check:    setCheck,
		exact:    decideSet,
		values:   setMention,
		project:  func([]*history.Operation) (projection, bool) { return setProject, true },
		explain:  explainSet,
	}
}

func setCheck(op *history.Operation) error {
	switch op.F {
	case "add":
		return nil
	case "read":
		if _, ok := op.Output.AsList(); !ok && op.Type == history.OK {
			return fmt.Errorf("a read of a set answers with a list, not %v", op.Output)
		}
		return nil
	}
	return fmt.Errorf("a set has add and read, not %q", op.F)
}

// setStep keeps the elements' JSON, sorted, as state.
func setStep(_ context.Context, s any, op *history.Operation) (any, bool) {
	var state history.Value
	if err := state.UnmarshalJSON([]byte(s.(string))); err != nil {
		panic(err)
	}
	have, _ := state.AsList()
	if op.F == "add" {
		if !slices.ContainsFunc(have, op.Input.Equal) {
			have = append(slices.Clone(have), op.Input)
		}
		return sortedJSON(have), true
	}
	saw, known := op.Output.AsList()
	return s, op.Type != history.OK || known && sortedJSON(saw) == s
}

func sortedJSON(vs []history.Value) string {
	vs = slices.Clone(vs)
	slices.SortFunc(vs, func(a, b history.Value) int { return slices.Compare(a.AppendJSON(nil), b.AppendJSON(nil)) })
	return string(history.List(vs...).AppendJSON(nil))
}

// decideSet is exact when each element is added once. Reads see ever more: sorted by size, each must hold the one before.
// That is the legal order, if there is one: the adds of the first read, the reads of that size, the adds of the next, ...,
// and at the end the adds nobody saw. Crashed adds that were seen took effect, the others can be left out.
func decideSet(b *bounds, ops []*history.Operation) (Verdict, []int32, string, bool) {
	d := setDecision{ops: ops, values: newInterner()}
	if !d.findAdds() {
		return Unknown, nil, "", false
	}
	verdict, conflict := inSteps(b, d.findPlaces, d.checkOrder)
	return verdict, conflict, byInclusion, true
}

type setDecision struct {
	ops    []*history.Operation
	values *interner
	add    []int32 // by element: its add, or noOperation
	reads  []setRead
	place  []int // by element: the number of the first read that saw it; len(reads): none
}

type setRead struct {
	op    int32
	elems []uint32
}

func (d *setDecision) findAdds() bool {
	for i, op := range d.ops {
		if op.F != "add" {
			continue
		}
		v := d.element(op.Input)
		if d.add[v] != noOperation {
			return false
		}
		d.add[v] = int32(i)
	}
	return true
}

func (d *setDecision) element(v history.Value) uint32 {
	n := d.values.number(v)
	for len(d.add) <= int(n) {
		d.add = append(d.add, noOperation)
	}
	return n
}

// findPlaces sorts the reads and finds the first of them that saw each element.
func (d *setDecision) findPlaces() (conflict []int32) {
	for i, op := range d.ops {
		if op.F != "read" || op.Type != history.OK {
			continue
		}
		list, _ := op.Output.AsList()
		r := setRead{op: int32(i)}
		for _, v := range list {
			r.elems = append(r.elems, d.element(v))
		}
		slices.Sort(r.elems)
		if len(slices.Compact(slices.Clone(r.elems))) < len(r.elems) {
			return d.withAdds(r) // an element twice
		}
		d.reads = append(d.reads, r)
	}
	slices.SortStableFunc(d.reads, func(a, b setRead) int { return len(a.elems) - len(b.elems) })
	d.place = slices.Repeat([]int{len(d.reads)}, len(d.add))
	for n, r := range d.reads {
		before := 0 // of its elements, those the reads before it saw
		for _, v := range r.elems {
			if d.add[v] == noOperation {
				return d.withAdds(r)
			}
			if d.place[v] < n {
				before++
			} else {
				d.place[v] = n
			}
		}
		if n > 0 && before < len(d.reads[n-1].elems) {
			return d.withAdds(r, d.reads[n-1])
		}
	}
	return nil
}

// withAdds is reads with the adds of what they saw.
func (d *setDecision) withAdds(reads ...setRead) []int32 {
	var ops []int32
	for _, r := range reads {
		ops = append(ops, r.op)
		for _, v := range r.elems {
			if d.add[v] != noOperation {
				ops = append(ops, d.add[v])
			}
		}
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// checkOrder holds the order against real time: nothing may return before what comes earlier was called.
func (d *setDecision) checkOrder() (conflict []int32) {
	adds := slices.Repeat([]span{emptySpan()}, len(d.reads)+1)
	for v, i := range d.add {
		if i == noOperation || d.ops[i].Type != history.OK && d.place[v] == len(d.reads) {
			continue
		}
		adds[d.place[v]].add(d.ops[i], i)
	}
	all := emptySpan()
	var same span // reads of one size
	for n := range adds {
		if adds[n].firstReturn < all.lastCall {
			return d.clash(all.lastCallOp, adds[n].firstReturnOp)
		}
		all.join(adds[n])
		if n == len(d.reads) {
			break
		}
		if n == 0 || len(d.reads[n].elems) > len(d.reads[n-1].elems) {
			same = all
		}
		r := d.reads[n].op
		if returned(d.ops[r]) < same.lastCall {
			return d.clash(same.lastCallOp, r)
		}
		all.add(d.ops[r], r)
	}
	return nil
}

// clash is operations that stand in the wrong order in time, with the reads that show their order.
func (d *setDecision) clash(ops ...int32) []int32 {
	var reads []setRead
	for n, r := range d.reads {
		shows := slices.Contains(ops, r.op) || slices.ContainsFunc(ops, func(i int32) bool {
			return d.ops[i].F == "add" && d.place[d.element(d.ops[i].Input)] == n
		})
		if shows {
			reads = append(reads, r)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(append(d.withAdds(reads...), ops...))))
}

func setMention(op *history.Operation) mention {
	if op.F != "add" {
		return mention{}
	}
	return mention{names: []history.Value{op.Input}, writes: []history.Value{op.Input}}
}

// setProject is a read without some elements. A history of a set stays legal when an element is taken out of all of it.
func setProject(op *history.Operation, gone map[string]bool) *history.Operation {
	list, ok := op.Output.AsList()
	if op.F != "read" || !ok || !slices.ContainsFunc(list, func(v history.Value) bool { return gone[valueID(v)] }) {
		return op
	}
	short := *op
	short.Output = history.List(slices.DeleteFunc(slices.Clone(list), func(v history.Value) bool { return gone[valueID(v)] })...)
	return &short
}

func explainSet(ops []*history.Operation) string {
	for _, read := range ops {
		saw, ok := read.Output.AsList()
		if read.F != "read" || !ok {
			continue
		}
		for _, v := range saw {
			if !slices.ContainsFunc(ops, func(op *history.Operation) bool { return op.F == "add" && op.Input.Equal(v) && op.Call <= read.Return }) {
				return fmt.Sprintf("%s saw %v in the set, which nobody had added", process(read), v)
			}
		}
		for _, op := range ops {
			if text := missed(read, saw, op); text != "" {
				return text
			}
		}
	}
	return ""
}

// missed finds what a read should have seen, for it was added or seen before.
func missed(read *history.Operation, saw []history.Value, op *history.Operation) string {
	if op.Type != history.OK || op.Return >= read.Call {
		return ""
	}
	if op.F == "add" && !slices.ContainsFunc(saw, op.Input.Equal) {
		return fmt.Sprintf("%s read the set without %v after %s's add of it had returned", process(read), op.Input, process(op))
	}
	seen, _ := op.Output.AsList()
	for _, v := range seen {
		if !slices.ContainsFunc(saw, v.Equal) {
			return fmt.Sprintf("%s read the set without %v after %s had seen it there", process(read), v, process(op))
		}
	}
	return ""
}
