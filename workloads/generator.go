package workloads

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// Object says what a key stands for, where the name of an operation leaves that open: "read" of a set lists its elements,
// of a counter it tells a number.
type Object string

// The objects of the workloads; their operations are described beside the models in package checker. The zero Object is a
// register.
const (
	RegisterObject  Object = "register"
	TextObject      Object = "text" // a string that things are appended to
	SetObject       Object = "set"
	QueueObject     Object = "queue"
	LockObject      Object = "lock"
	CounterObject   Object = "counter"
	BankObject      Object = "bank"
	ListsObject     Object = "lists"     // of transactions: each key of theirs is a list
	RegistersObject Object = "registers" // of transactions: each key of theirs is a register
)

// Operation is what a client is to do: F on Key with Input.
type Operation struct {
	Object Object
	F      string
	Key    string
	Input  history.Value
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

// Sealer is a Generator that tells which objects it has given up: no further operation of theirs will be drawn by Next,
// though some may be under way, and Final reads them all again.
type Sealer interface {
	// Sealed gives the objects given up since it was asked last.
	Sealed() []string
}

// Options shape a workload.
type Options struct {
	Workers int // concurrent clients
}

var generators = map[string]func(Options) Generator{
	"register":    func(o Options) Generator { return NewRegister(o) },
	"kv-append":   func(o Options) Generator { return NewKVAppend(o) },
	"set":         func(o Options) Generator { return NewSet(o) },
	"queue":       func(o Options) Generator { return NewQueue(o) },
	"lock":        func(o Options) Generator { return NewLock(o) },
	"counter":     func(o Options) Generator { return NewCounter(o) },
	"bank":        func(o Options) Generator { return NewBank(o) },
	"list-append": NewListAppend,
	"rw-register": NewRWRegister,
	"read-mostly": func(o Options) Generator { return NewReadMostly(o) },
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
