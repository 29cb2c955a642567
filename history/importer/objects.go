package importer

import (
	"slices"

	"github.com/ordeal-dev/ordeal/history"
)

// For is the history as the model of that name takes it, where Jepsen has other operations for its object.
func For(model string, h *history.History) *history.History {
	switch model {
	case "set", "counter", "lock":
		return WithReads(h)
	case "bank":
		return Bank(h)
	case "queue":
		return withoutDrains(h)
	}
	return h
}

// WithReads is the history with its gets called reads: Jepsen's reads are gets to the importer, which does not know of what.
func WithReads(h *history.History) *history.History {
	renamed := *h
	renamed.Operations = slices.Clone(h.Operations)
	for i := range renamed.Operations {
		if op := &renamed.Operations[i]; op.F == "get" {
			op.F = "read"
		}
	}
	return &renamed
}

// withoutDrains is the history of a queue with dequeues in the place of each drain of Jepsen's: one for each element that it
// took, and one that found the queue empty, all of them somewhere in its time. A drain of which nobody knows how much it took
// stays, and cannot be judged.
func withoutDrains(h *history.History) *history.History {
	expanded := *h
	expanded.Operations = nil
	for _, op := range h.Operations {
		took, ok := op.Output.AsList()
		if op.F != "drain" || op.Type != history.OK || !ok && !op.Output.IsNil() {
			expanded.Operations = append(expanded.Operations, op)
			continue
		}
		for _, v := range append(slices.Clone(took), history.Nil) {
			take := op
			take.F, take.Input, take.Output = "dequeue", history.Nil, v
			expanded.Operations = append(expanded.Operations, take)
		}
	}
	return &expanded
}
