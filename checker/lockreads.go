package checker

import (
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// placeReads adds each read to the hold it saw, and returns those that saw nobody hold the lock. ok is false where a client
// held the lock more than once, so that nobody can tell which of its holds a read saw. A conflict is operations that are
// illegal together.
func placeReads(ops []*history.Operation, holds []hold) (free []hold, conflict []int32, ok bool) {
	var byClient map[string][]int
	for i, op := range ops {
		i := int32(i)
		if op.F != "read" {
			continue
		}
		if op.Output.IsNil() {
			h := hold{acquire: i, release: noOperation, span: emptySpan()}
			h.add(op, i)
			free = append(free, h)
			continue
		}
		if byClient == nil {
			byClient = holdsByClient(ops, holds)
		}
		its := byClient[valueID(op.Output)]
		if len(its) > 1 {
			return nil, nil, false
		}
		if len(its) == 0 {
			return nil, []int32{i}, true
		}
		h := &holds[its[0]]
		if op.Return < ops[h.acquire].Call || h.release != noOperation && returned(ops[h.release]) < op.Call {
			return nil, holdOperations(*h, hold{acquire: i, release: noOperation, span: span{firstReturnOp: i, lastCallOp: i}}), true
		}
		h.add(op, i)
	}
	return free, nil, true
}

func holdsByClient(ops []*history.Operation, holds []hold) map[string][]int {
	by := make(map[string][]int, len(holds))
	for n, h := range holds {
		client := valueID(ops[h.acquire].Input)
		by[client] = append(by[client], n)
	}
	return by
}

// freeBetween finds a place between holds, which are in their order, for each read that saw nobody: behind all that had to
// come before it, and as early as that allows, so that such reads keep their own order.
func freeBetween(holds, free []hold) (conflict []int32) {
	// last[k]: of the first k holds the one called last; first[k]: of the others the one that returned first.
	last, first := make([]int, len(holds)+1), make([]int, len(holds)+1)
	for k := range holds {
		last[k+1] = k
		if k > 0 && holds[last[k]].lastCall >= holds[k].lastCall {
			last[k+1] = last[k]
		}
	}
	for k := len(holds) - 1; k >= 0; k-- {
		first[k] = k
		if k+1 < len(holds) && holds[first[k+1]].firstReturn <= holds[k].firstReturn {
			first[k] = first[k+1]
		}
	}
	for _, r := range free {
		// The read may come before hold k and all after it if none of them returned before the read was called.
		k, _ := slices.BinarySearchFunc(first[:len(holds)], r.lastCall, func(n int, call time.Duration) int {
			if holds[n].firstReturn < call {
				return -1
			}
			return 1
		})
		if k > 0 && holds[last[k]].lastCall > r.firstReturn {
			return holdOperations(r, holds[last[k]], holds[first[k-1]])
		}
	}
	return nil
}
