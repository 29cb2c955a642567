package workloads

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/history"
)

// The queue workload enqueues elements, each once, and dequeues; the longer the queue, the more it dequeues. Of a crashed
// dequeue nobody knows what it took, so a queue with some of them is given up.
var queueSharing = sharing{prefix: "q", workers: 5, operations: 200, crashes: 2}

// longQueue is a length at which a queue only shrinks.
const longQueue = 12

// Queue generates the queue workload.
type Queue struct{ *shared[queueState] }

type queueState struct {
	given int64 // elements given out
	open  int   // elements that may be in the queue
}

// NewQueue makes a generator.
func NewQueue(o Options) *Queue {
	return &Queue{newShared(o, queueSharing, func(string) queueState { return queueState{} })}
}

// Next implements Generator: enqueue has the element, dequeue no input.
func (q *Queue) Next(worker int, rng *rand.Rand) Operation {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.next(worker)
	if rng.IntN(longQueue) < o.state.open {
		return Operation{Object: QueueObject, F: "dequeue", Key: o.name}
	}
	o.state.given++
	o.state.open++
	return Operation{Object: QueueObject, F: "enqueue", Key: o.name, Input: history.Int(o.state.given)}
}

// Completed implements Generator: what was taken, or never put in, is not in the queue.
func (q *Queue) Completed(_ int, op Operation, outcome history.Type, output history.Value) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o, ok := q.completed(op.Key, outcome, true)
	if !ok {
		return
	}
	taken := op.F == "dequeue" && outcome == history.OK
	switch {
	case taken && output.IsNil():
		o.state.open = 0 // those that crashed are not there
	case taken, op.F == "enqueue" && outcome == history.Fail:
		o.state.open = max(o.state.open-1, 0)
	}
}

// Final implements Generator: empty every queue there was. A dequeue too many finds it empty.
func (q *Queue) Final() []Operation {
	return q.finals(func(o *object[queueState]) []Operation {
		ops := make([]Operation, o.state.open+1)
		for i := range ops {
			ops[i] = Operation{Object: QueueObject, F: "dequeue", Key: o.name}
		}
		return ops
	})
}
