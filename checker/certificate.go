package checker

import (
	"cmp"
	"context"
	"slices"

	"github.com/ordeal-dev/ordeal/history"
)

// followsLog tells whether the order of the log indices the system gave with its answers is a legal order of the
// operations. If it is, the history is linearizable, even if the system lies about its log: here stands a legal order.
// If it is not, that says nothing; crashed operations, for one, have no index and are left out.
func followsLog(ctx context.Context, mo *Model, ops []*history.Operation, m machine) bool {
	order := make([]int32, 0, len(ops))
	for i, op := range ops {
		if op.Type != history.OK {
			continue
		}
		if op.LogIndex == 0 {
			return false
		}
		order = append(order, int32(i))
	}
	// Reads at an index see the write at that index, and the earlier call goes first among them.
	rank := func(i int32) int {
		if mo.pureOperation(ops[i]) {
			return 1
		}
		return 0
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(ops[a].LogIndex, ops[b].LogIndex), rank(a)-rank(b), cmp.Compare(ops[a].Call, ops[b].Call))
	})
	s, lastCall := m.init(), beginning
	for n, i := range order {
		op := ops[i]
		if op.Return < lastCall || n%1024 == 0 && ctx.Err() != nil {
			return false
		}
		lastCall = max(lastCall, op.Call)
		var ok bool
		if s, ok = m.step(ctx, s, int(i)); !ok {
			return false
		}
	}
	return ctx.Err() == nil // else the steps need not be right
}
