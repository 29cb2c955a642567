package workloads

import (
	"fmt"
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/history"
)

// The lock workload acquires and releases locks, and now and then reads who holds one. Each acquisition is by a name of
// its own and is given a fencing token. A worker that holds the lock releases it next. A lock that may be held by nobody
// who knows is given up.
var lockSharing = sharing{prefix: "l", workers: 5, operations: 200, crashes: 1}

// Lock generates the lock workload.
type Lock struct{ *shared[*lockState] }

type lockState struct {
	names   int
	holders map[int]string // by worker: the name it holds the lock under
}

// NewLock makes a generator.
func NewLock(o Options) *Lock {
	return &Lock{newShared(o, lockSharing, func(string) *lockState { return &lockState{holders: map[int]string{}} })}
}

// Next implements Generator: acquire and release have the name, read no input.
func (l *Lock) Next(worker int, rng *rand.Rand) Operation {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.next(worker)
	op := Operation{Object: LockObject, Key: o.name}
	name, holds := o.state.holders[worker]
	switch {
	case rng.IntN(5) == 0:
		op.F = "read"
	case holds:
		op.F, op.Input = "release", history.String(name)
	default:
		o.state.names++
		op.F, op.Input = "acquire", history.String(fmt.Sprintf("%s.%d", o.name, o.state.names))
	}
	return op
}

// Completed implements Generator.
func (l *Lock) Completed(worker int, op Operation, outcome history.Type, _ history.Value) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := l.completed(op.Key, outcome, op.F != "read")
	if !ok || outcome != history.OK {
		return
	}
	switch op.F {
	case "acquire":
		name, _ := op.Input.AsString()
		o.state.holders[worker] = name
	case "release":
		delete(o.state.holders, worker)
	}
}

// Final implements Generator: read who holds each lock there was.
func (l *Lock) Final() []Operation {
	return l.finals(func(o *object[*lockState]) []Operation {
		return []Operation{{Object: LockObject, F: "read", Key: o.name}}
	})
}
