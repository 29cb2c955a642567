package workloads

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/history"
)

// The counter workload adds numbers, which answer with the sum, and reads. What crashed additions may have done is known
// by the sums of others, as long as they are few and not all alike.
var counterSharing = sharing{prefix: "c", workers: 5, operations: 300, crashes: 4}

const largestDelta = 50

// Counter generates the counter workload.
type Counter struct{ *shared[struct{}] }

// NewCounter makes a generator.
func NewCounter(o Options) *Counter {
	return &Counter{newShared(o, counterSharing, func(string) struct{} { return struct{}{} })}
}

// Next implements Generator: add has what to add, read no input.
func (c *Counter) Next(worker int, rng *rand.Rand) Operation {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.next(worker)
	if rng.IntN(3) == 0 {
		return Operation{Object: CounterObject, F: "read", Key: o.name}
	}
	return Operation{Object: CounterObject, F: "add", Key: o.name, Input: history.Int(1 + rng.Int64N(largestDelta))}
}

// Completed implements Generator.
func (c *Counter) Completed(_ int, op Operation, outcome history.Type, _ history.Value) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.completed(op.Key, outcome, op.F == "add")
}

// Final implements Generator: read every counter there was.
func (c *Counter) Final() []Operation {
	return c.finals(func(o *object[struct{}]) []Operation {
		return []Operation{{Object: CounterObject, F: "read", Key: o.name}}
	})
}
