package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Queue is first in, first out.
//
//	enqueue: input is the element.
//	dequeue: output is the element taken, nil when the queue was empty.
func Queue() Model {
	return Model{
		Name:   "queue",
		object: "queue",
		Init:   func() any { return "" },
		Step:   queueStep,
		Check:  queueCheck,
		pure: func(op *history.Operation) bool {
			return op.F == "dequeue" && op.Type == history.OK && op.Output.IsNil()
		},
		exact: decideQueue,

		values:   queueMention,
		describe: describeQueue,
		explain:  explainQueue,
	}
}

func queueCheck(op *history.Operation) error {
	switch {
	case op.F != "enqueue" && op.F != "dequeue":
		return fmt.Errorf("a queue has enqueue and dequeue, not %q", op.F)
	case op.F == "enqueue" && op.Input.IsNil():
		return fmt.Errorf("nil cannot be enqueued: a dequeue that answers it means an empty queue")
	}
	return nil
}

// queueStep has for a state the elements' JSON, a line each: JSON holds no line breaks.
func queueStep(_ context.Context, s any, op *history.Operation) (any, bool) {
	state := s.(string)
	if op.F == "enqueue" {
		return state + valueID(op.Input) + "\n", true
	}
	first, rest, more := strings.Cut(state, "\n")
	if !more {
		return s, op.Type != history.OK || op.Output.IsNil()
	}
	return rest, op.Type != history.OK || valueID(op.Output) == first
}

func describeQueue(s any) string {
	return "[" + strings.ReplaceAll(strings.TrimSuffix(s.(string), "\n"), "\n", ",") + "]"
}

// queueElement is an element with its two operations.
type queueElement struct {
	put, taken int32 // taken: noOperation where nobody took it
}

// queueDecision is the state of the check of one queue.
type queueDecision struct {
	ops      []*history.Operation
	values   *interner
	number   map[uint32]int // by value
	elements []queueElement
	empty    []int32 // dequeues that found nothing
}

// decideQueue is exact when each element is enqueued once and no dequeue crashed. A queue is legal unless
//
//   - an element was taken that nobody put there, or before it was put, or twice;
//   - a was put before b, b was taken, and a was not, or was taken after b ("before" in real time);
//   - a dequeue found the queue empty, though at each moment of it some element was surely there: put, and not yet being
//     taken.
//
// T. Henzinger, A. Sezgin, V. Vafeiadis: Aspect-oriented linearizability proofs, CONCUR 2013. A crashed enqueue took effect
// if its element was taken; otherwise it can be left out. Any other decideFIFO decides.
func decideQueue(b *bounds, ops []*history.Operation) (Verdict, []int32, string, bool) {
	d := &queueDecision{ops: ops, values: newInterner(), number: make(map[uint32]int)}
	if !d.findPuts() {
		return decideFIFO(b, ops)
	}
	verdict, conflict := inSteps(b, d.findTakes, d.checkOrder, d.checkEmpty)
	return verdict, conflict, byPatterns, true
}

func (d *queueDecision) findPuts() bool {
	for i, op := range d.ops {
		if op.F == "dequeue" {
			if op.Type != history.OK {
				return false
			}
			continue
		}
		v := d.values.number(op.Input)
		if _, twice := d.number[v]; twice {
			return false
		}
		d.number[v] = len(d.elements)
		d.elements = append(d.elements, queueElement{put: int32(i), taken: noOperation})
	}
	return true
}

func (d *queueDecision) findTakes() (conflict []int32) {
	for i, op := range d.ops {
		if op.F != "dequeue" {
			continue
		}
		if op.Output.IsNil() {
			d.empty = append(d.empty, int32(i))
			continue
		}
		n, ok := d.number[d.values.number(op.Output)]
		if !ok {
			return []int32{int32(i)}
		}
		e := &d.elements[n]
		if e.taken != noOperation {
			return []int32{e.put, e.taken, int32(i)}
		}
		if op.Return < d.ops[e.put].Call {
			return []int32{e.put, int32(i)}
		}
		e.taken = int32(i)
	}
	d.elements = slices.DeleteFunc(d.elements, func(e queueElement) bool {
		return e.taken == noOperation && d.ops[e.put].Type != history.OK
	})
	return nil
}

// takeCall is when the element began to be taken; Forever where nobody did.
func (d *queueDecision) takeCall(e queueElement) time.Duration {
	if e.taken == noOperation {
		return history.Forever
	}
	return d.ops[e.taken].Call
}

// checkOrder goes through the elements b by the call of their put, and keeps of all that were put before it the one that
// was taken last.
func (d *queueDecision) checkOrder() (conflict []int32) {
	byCall := slices.Clone(d.elements)
	slices.SortFunc(byCall, func(a, b queueElement) int { return cmp.Compare(d.ops[a.put].Call, d.ops[b.put].Call) })
	byReturn := slices.Clone(d.elements)
	slices.SortFunc(byReturn, func(a, b queueElement) int { return cmp.Compare(returned(d.ops[a.put]), returned(d.ops[b.put])) })
	last, any := queueElement{}, false
	for _, b := range byCall {
		for len(byReturn) > 0 && returned(d.ops[byReturn[0].put]) < d.ops[b.put].Call {
			if a := byReturn[0]; !any || d.takeCall(a) > d.takeCall(last) {
				last, any = a, true
			}
			byReturn = byReturn[1:]
		}
		if any && b.taken != noOperation && d.ops[b.taken].Return < d.takeCall(last) {
			return d.operations(last, b)
		}
	}
	return nil
}

func (d *queueDecision) operations(elements ...queueElement) []int32 {
	var ops []int32
	for _, e := range elements {
		ops = append(ops, e.put)
		if e.taken != noOperation {
			ops = append(ops, e.taken)
		}
	}
	slices.Sort(ops)
	return ops
}

// checkEmpty looks for a dequeue that found nothing in a time without a moment at which no element was surely there. An
// element is surely there after its put returned and before its take is called.
func (d *queueDecision) checkEmpty() (conflict []int32) {
	if len(d.empty) == 0 {
		return nil
	}
	type stay struct {
		from, to time.Duration // open: the ends do not count
		e        queueElement
	}
	var stays []stay
	for _, e := range d.elements {
		if s := (stay{returned(d.ops[e.put]), d.takeCall(e), e}); s.from < s.to {
			stays = append(stays, s)
		}
	}
	slices.SortFunc(stays, func(a, b stay) int { return cmp.Compare(a.from, b.from) })
	slices.SortFunc(d.empty, func(a, b int32) int { return cmp.Compare(d.ops[a].Call, d.ops[b].Call) })
	// Stays that overlap are one; the dequeue must not lie inside such a one.
	var whole []stay
	var last []int // by whole: the number of its first stay
	for i, s := range stays {
		if n := len(whole); n > 0 && s.from < whole[n-1].to {
			whole[n-1].to = max(whole[n-1].to, s.to)
			continue
		}
		whole = append(whole, s)
		last = append(last, i)
	}
	for _, i := range d.empty {
		op := d.ops[i]
		n, _ := slices.BinarySearchFunc(whole, op.Call, func(s stay, t time.Duration) int { return cmp.Compare(s.from, t) })
		if n == 0 || op.Return >= whole[n-1].to {
			continue
		}
		ops := []int32{i}
		for _, s := range stays[last[n-1]:] {
			if s.from < op.Return && s.to > op.Call {
				ops = append(ops, d.operations(s.e)...)
			}
		}
		slices.Sort(ops)
		return ops
	}
	return nil
}

func queueMention(op *history.Operation) mention {
	switch {
	case op.F == "enqueue":
		return mention{names: []history.Value{op.Input}, writes: []history.Value{op.Input}}
	case op.Type == history.OK && !op.Output.IsNil():
		return mention{names: []history.Value{op.Output}}
	}
	return mention{}
}

func explainQueue(ops []*history.Operation) string {
	d := &queueDecision{ops: ops, values: newInterner(), number: make(map[uint32]int)}
	if !d.findPuts() {
		return ""
	}
	if conflict := d.findTakes(); conflict != nil {
		take := ops[conflict[len(conflict)-1]]
		switch len(conflict) {
		case 1:
			return fmt.Sprintf("%s took %v, which nobody had enqueued", process(take), take.Output)
		case 2:
			return fmt.Sprintf("%s took %v before %s enqueued it", process(take), take.Output, process(ops[conflict[0]]))
		}
		return fmt.Sprintf("%s took %v, which %s had taken as well", process(take), take.Output, process(ops[conflict[1]]))
	}
	if d.checkOrder() != nil && len(d.elements) == 2 {
		a, b := d.elements[0], d.elements[1]
		if returned(ops[b.put]) < ops[a.put].Call {
			a, b = b, a
		}
		was := "while %v was still in the queue"
		if a.taken != noOperation {
			was = "before %v was"
		}
		return fmt.Sprintf("%v was enqueued before %v, and %v was taken "+was, ops[a.put].Input, ops[b.put].Input, ops[b.put].Input, ops[a.put].Input)
	}
	if conflict := d.checkEmpty(); conflict != nil {
		for _, i := range conflict {
			if op := ops[i]; op.F == "dequeue" && op.Output.IsNil() {
				return process(op) + " found the queue empty, though something was in it all the time"
			}
		}
	}
	return ""
}
