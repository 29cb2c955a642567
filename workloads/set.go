package workloads

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/history"
)

// The set workload adds elements, each once, and reads whole sets. A set is given up while reading it is still cheap.
var setSharing = sharing{prefix: "s", workers: 10, operations: 400, crashes: 30}

// Set generates the set workload.
type Set struct{ *shared[int64] } // the state: elements given out

// NewSet makes a generator.
func NewSet(o Options) *Set { return &Set{newShared(o, setSharing, func(string) int64 { return 0 })} }

// Next implements Generator: add has the element, read no input.
func (s *Set) Next(worker int, rng *rand.Rand) Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.next(worker)
	if rng.IntN(2) == 0 {
		return Operation{Object: SetObject, F: "read", Key: o.name}
	}
	o.state++
	return Operation{Object: SetObject, F: "add", Key: o.name, Input: history.Int(o.state)}
}

// Completed implements Generator.
func (s *Set) Completed(_ int, op Operation, outcome history.Type, _ history.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.completed(op.Key, outcome, op.F == "add")
}

// Final implements Generator: read every set there was.
func (s *Set) Final() []Operation {
	return s.finals(func(o *object[int64]) []Operation { return []Operation{{Object: SetObject, F: "read", Key: o.name}} })
}
