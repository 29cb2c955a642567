package workloads

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// Operation is what a client is to do: F on Key with Input.
type Operation struct {
	F     string
	Key   string
	Input history.Value
}

// Generator draws the operations of a run. It knows no clock: the order of its calls decides all it gives. Its methods
// may be called from many goroutines.
type Generator interface {
	// Next gives the next operation for a worker, one of Options.Workers.
	Next(worker int, rng *rand.Rand) Operation
	// Completed tells what became of an operation, so that later ones can react.
	Completed(worker int, op Operation, outcome history.Type, output history.Value)
	// Final are the operations that look at everything once more after the last fault is healed.
	Final() []Operation
}

// Options shape a workload.
type Options struct {
	Workers int // concurrent clients
}

var generators = map[string]func(Options) Generator{
	"register": func(o Options) Generator { return NewRegister(o) },
}

// NewGenerator makes the generator of a workload.
func NewGenerator(workload string, o Options) (Generator, error) {
	if o.Workers < 1 {
		return nil, fmt.Errorf("workload %s needs at least one client", workload)
	}
	if make, ok := generators[workload]; ok {
		return make(o), nil
	}
	return nil, fmt.Errorf("no workload %q; there are %s", workload, strings.Join(Names(), ", "))
}

// Names are the workloads that can be run, sorted.
func Names() []string { return slices.Sorted(maps.Keys(generators)) }
