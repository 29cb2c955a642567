package workloads

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
)

// The read-mostly workload reads registers in all ways there are: through the log, after a round of the leader's
// (ReadIndex), by its lease, and from whatever a replica has applied. The last may be old, and is checked for what it
// promises all the same. Now and then something is written, each value once.
var readMostlySharing = sharing{prefix: "m", workers: 10, operations: 1000, crashes: 8}

const writePercent = 12

var readKinds = []string{"get-index", "get-index", "get-lease", "get-lease", "get-log", checker.StaleRead, checker.StaleRead, checker.StaleRead}

// ReadMostly generates the read-mostly workload.
type ReadMostly struct{ *shared[int64] } // the state: values given out

// NewReadMostly makes a generator.
func NewReadMostly(o Options) *ReadMostly {
	return &ReadMostly{newShared(o, readMostlySharing, func(string) int64 { return 0 })}
}

// Next implements Generator: reads have no input, put the value.
func (m *ReadMostly) Next(worker int, rng *rand.Rand) Operation {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.next(worker)
	if rng.IntN(100) >= writePercent {
		return Operation{F: readKinds[rng.IntN(len(readKinds))], Key: o.name}
	}
	o.state++
	return Operation{F: "put", Key: o.name, Input: history.Int(o.state)}
}

// Completed implements Generator.
func (m *ReadMostly) Completed(_ int, op Operation, outcome history.Type, _ history.Value) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.completed(op.Key, outcome, op.F == "put")
}

// Final implements Generator: read every key there was, in each way that promises the latest value.
func (m *ReadMostly) Final() []Operation {
	return m.finals(func(o *object[int64]) []Operation {
		return []Operation{{F: "get-log", Key: o.name}, {F: "get-lease", Key: o.name}}
	})
}
