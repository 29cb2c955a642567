package checker

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// object is what a history holds about one key, ready for an algorithm.
type object struct {
	key     string
	ops     []*history.Operation // by invocation; without those that cannot matter
	crashed int                  // of ops
	bad     string               // why it cannot be judged

	first   bool // porcupine is asked first
	asked   bool // and was
	confirm bool // another algorithm decides, and porcupine is asked whether it agrees

	conflict []*history.Operation // some that are illegal together, once decided; nil: not known
	base     *history.Operation   // of the conflict, as in decision
}

// split sorts the operations by key, in the order of their first use.
func split(m *Model, h *history.History) []*object {
	byKey := make(map[string]*object)
	var objects []*object
	for i := range h.Operations {
		op := &h.Operations[i]
		o, ok := byKey[op.Key]
		if !ok {
			o = &object{key: op.Key}
			byKey[op.Key] = o
			objects = append(objects, o)
		}
		o.add(m, op)
	}
	return objects
}

// add takes an operation unless it surely had no effect and nobody saw a result.
func (o *object) add(m *Model, op *history.Operation) {
	crashed := op.Type != history.OK
	if op.Type == history.Fail || crashed && m.ReadOnly != nil && m.ReadOnly(op) {
		return
	}
	if o.bad == "" {
		o.bad = unfit(m, op)
	}
	if crashed {
		o.crashed++
	}
	o.ops = append(o.ops, op)
}

func unfit(m *Model, op *history.Operation) string {
	var why string
	switch {
	case op.Type != history.OK && op.Type != history.Info:
		why = fmt.Sprintf("its type is %v", op.Type)
	case returned(op) < op.Call:
		why = "it returns before it is called"
	case m.Check != nil:
		if err := m.Check(op); err != nil {
			why = err.Error()
		}
	}
	if why == "" {
		return ""
	}
	return fmt.Sprintf("cannot judge operation %d (%s of process %d): %s", op.Index, op.F, op.Process, why)
}

// returned is when the operation's effect had to be there.
func returned(op *history.Operation) time.Duration {
	if op.Type != history.OK {
		return history.Forever
	}
	return op.Return
}

// byKey is the numbers of the objects, sorted by key.
func byKey(objects []*object) []int {
	order := make([]int, len(objects))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(objects[a].key, objects[b].key) })
	return order
}
