package workloads

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/history"
)

// The register workload reads, writes and compares-and-sets registers. Every value is written once at most: a stale read
// then cannot pass for a fresh one.
const (
	getPercent = 45
	putPercent = 30 // the rest is cas
)

var registerSharing = sharing{prefix: "r", workers: 5, operations: 400, crashes: 6}

// Register generates the register workload.
type Register struct{ *shared[registerState] }

// registerState is what is known of a register.
type registerState struct {
	written int64         // values given out: 1 to written
	seen    history.Value // the last value that somebody saw or wrote
}

// NewRegister makes a generator.
func NewRegister(o Options) *Register {
	return &Register{newShared(o, registerSharing, func(string) registerState { return registerState{} })}
}

// Next implements Generator: get has no input, put the value, cas the pair of expected and new value.
func (r *Register) Next(worker int, rng *rand.Rand) Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.next(worker)
	switch n := rng.IntN(100); {
	case n < getPercent:
		return Operation{F: "get", Key: o.name}
	case n < getPercent+putPercent:
		return Operation{F: "put", Key: o.name, Input: o.state.newValue()}
	}
	return Operation{F: "cas", Key: o.name, Input: history.List(o.state.seen, o.state.newValue())}
}

func (s *registerState) newValue() history.Value {
	s.written++
	return history.Int(s.written)
}

// Completed implements Generator: a later cas expects what was last seen, so that many of them succeed.
func (r *Register) Completed(_ int, op Operation, outcome history.Type, output history.Value) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o, ok := r.completed(op.Key, outcome, op.F != "get"); ok && outcome == history.OK {
		o.state.seen = valueAfter(op, output)
	}
}

// valueAfter is the register's value right after an operation that took effect.
func valueAfter(op Operation, output history.Value) history.Value {
	switch op.F {
	case "put":
		return op.Input
	case "cas":
		if expected, value, ok := op.Input.AsPair(); ok && expected.Equal(output) {
			return value
		}
	}
	return output
}

// Final implements Generator: read every key there was.
func (r *Register) Final() []Operation {
	return r.finals(func(o *object[registerState]) []Operation { return []Operation{{F: "get", Key: o.name}} })
}
