package workloads

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/ordeal-dev/ordeal/history"
)

// The register workload reads, writes and compares-and-sets registers.
//
// Deciding linearizability costs more than linearly in the operations that are concurrent on one key, so groups of a few
// workers share a key, and give it up for a new one after a while, or when too many of its operations have an unknown
// outcome. Every value is written once at most: a stale read then cannot pass for a fresh one.
const (
	workersPerKey    = 5
	operationsPerKey = 400
	crashesPerKey    = 6
	getPercent       = 45
	putPercent       = 30 // the rest is cas
)

// Register generates the register workload.
type Register struct {
	mu     sync.Mutex
	groups []*registerKey
	keys   []string // all there were, in order
}

// registerKey is the key that a group of workers uses now.
type registerKey struct {
	name       string
	operations int
	crashes    int
	written    int64         // values given out: 1 to written
	seen       history.Value // the last value that somebody saw or wrote
}

// NewRegister makes a generator.
func NewRegister(o Options) *Register {
	r := &Register{groups: make([]*registerKey, (o.Workers+workersPerKey-1)/workersPerKey)}
	for g := range r.groups {
		r.retire(g)
	}
	return r
}

// retire gives group g a new key.
func (r *Register) retire(g int) {
	name := fmt.Sprintf("r%d", len(r.keys))
	r.keys = append(r.keys, name)
	r.groups[g] = &registerKey{name: name}
}

// Next implements Generator: get has no input, put the value, cas the pair of expected and new value.
func (r *Register) Next(worker int, rng *rand.Rand) Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := worker / workersPerKey
	if k := r.groups[g]; k.operations >= operationsPerKey || k.crashes >= crashesPerKey {
		r.retire(g)
	}
	k := r.groups[g]
	k.operations++
	switch n := rng.IntN(100); {
	case n < getPercent:
		return Operation{F: "get", Key: k.name}
	case n < getPercent+putPercent:
		return Operation{F: "put", Key: k.name, Input: k.newValue()}
	}
	return Operation{F: "cas", Key: k.name, Input: history.List(k.seen, k.newValue())}
}

func (k *registerKey) newValue() history.Value {
	k.written++
	return history.Int(k.written)
}

// Completed implements Generator: a later cas expects what was last seen, so that many of them succeed.
func (r *Register) Completed(worker int, op Operation, outcome history.Type, output history.Value) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.groups[worker/workersPerKey]
	if k.name != op.Key {
		return // retired meanwhile
	}
	switch {
	case outcome == history.Info && op.F != "get":
		k.crashes++
	case outcome == history.OK:
		k.seen = valueAfter(op, output)
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
	r.mu.Lock()
	defer r.mu.Unlock()
	var ops []Operation
	for _, key := range r.keys {
		ops = append(ops, Operation{F: "get", Key: key})
	}
	return ops
}
