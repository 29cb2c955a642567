package checker

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ordeal-dev/ordeal/history"
)

// Counter is an integer, 0 at first. It does not wrap: beyond 64 bits the sum goes on, and no answer fits it.
//
//	add: input is what to add; output is the new value, or nil where the system does not tell.
//	read: output is the value.
func Counter() Model {
	return Model{
		Name:     "counter",
		object:   "counter",
		Init:     func() any { return int64(0) },
		Step:     counterStep,
		ReadOnly: func(op *history.Operation) bool { return op.F == "read" },
		Check:    counterCheck,
		exact:    decideCounter,
	}
}

func counterCheck(op *history.Operation) error {
	switch op.F {
	case "add":
		if _, ok := op.Input.AsInt(); !ok {
			return fmt.Errorf("add needs an integer, not %v", op.Input)
		}
		if k := op.Output.Kind(); op.Type == history.OK && k != history.KindInt && k != history.KindNil {
			return fmt.Errorf("add answers with the new value, not %v", op.Output)
		}
	case "read":
		if _, ok := op.Output.AsInt(); !ok && op.Type == history.OK {
			return fmt.Errorf("a read of a counter answers with an integer, not %v", op.Output)
		}
	default:
		return fmt.Errorf("a counter has add and read, not %q", op.F)
	}
	return nil
}

func counterStep(_ context.Context, s any, op *history.Operation) (any, bool) {
	d, _ := op.Input.AsInt()
	if op.F == "read" {
		d = 0
	}
	sum := sumOf(s, d)
	got, told := op.Output.AsInt()
	return sum, op.Type != history.OK || !told || sum == got
}

// sumOf is a state and a number: an int64, or the digits of what is too large for one.
func sumOf(s any, d int64) any {
	if n, ok := s.(int64); ok {
		if sum, fits := plus(n, d); fits {
			return sum
		}
	}
	sum, _ := new(big.Int).SetString(fmt.Sprint(s), 10)
	if sum.Add(sum, big.NewInt(d)); sum.IsInt64() {
		return sum.Int64()
	}
	return sum.String()
}

// plus is a sum; false: it does not fit in 64 bits.
func plus(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

// decideCounter is exact when every add is positive, certain and told its result: the results are the order.
func decideCounter(_ *bounds, ops []*history.Operation) (Verdict, []int32, string, bool) {
	order := make([]int32, len(ops))
	for i, op := range ops {
		order[i] = int32(i)
		d, _ := op.Input.AsInt()
		if _, told := op.Output.AsInt(); op.Type != history.OK || !told || op.F == "add" && d <= 0 {
			return Unknown, nil, "", false
		}
	}
	result := func(i int32) int64 {
		n, _ := ops[i].Output.AsInt()
		return n
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(result(a), result(b)), cmp.Compare(ops[a].F, ops[b].F)) // an add before the reads of its result
	})
	sum, all := int64(0), emptySpan()
	var since span // up to the last add
	since = all
	for _, i := range order {
		d, _ := ops[i].Input.AsInt()
		before := since
		if ops[i].F == "add" {
			before = all
			var fits bool
			if sum, fits = plus(sum, d); !fits {
				return Unknown, nil, "", false // an algorithm for any model has to decide
			}
		}
		if result(i) != sum || ops[i].Return < before.lastCall {
			return Invalid, nil, byResult, true
		}
		all.add(ops[i], i)
		if ops[i].F == "add" {
			since = all
		}
	}
	return Valid, nil, byResult, true
}
