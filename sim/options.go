package sim

import (
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// Options say which run to make and what to watch of it. Plan alone is enough.
type Options struct {
	Plan Plan
	// Decider makes the decisions on the way; nil: Seeded(Plan.Seed).
	Decider Decider
	// Trace is told every event; nil: nobody is.
	Trace func(Event)
	// NoInvariants switches off what the simulator checks after every step, so that the history's checker alone judges. A node
	// that ends by itself is still a violation.
	NoInvariants bool
	// NoLiveness leaves out the last phase, in which a healed majority must make progress.
	NoLiveness bool
	// CheckTimeout bounds the history's checker, in real time; 0 takes 10 s. Where it strikes the verdict is unknown.
	CheckTimeout time.Duration
}

// Result is a run that has ended.
type Result struct {
	Seed    uint64
	Plan    Plan
	Verdict checker.Verdict
	Reason  string
	Judged  store.Verdict // in full, as a run's folder keeps it
	// Violations of invariants, liveness included. The first ends the run.
	Violations []Violation
	// Hash is of every event of the run: two runs of one plan, on whatever machines, have the same.
	Hash       uint64
	Events     uint64        // how many there were
	Simulated  time.Duration // how long the run was on its own clock
	Operations store.Counts
	Faults     map[string]int // by name: how many took place
	Coverage   Coverage
	History    *history.History
	Record     []history.Event // what History was made of
	// Stack is that of a node's panic, if there was one.
	Stack string
}

// Failed reports whether the run shows a fault of the system.
func (r *Result) Failed() bool { return r.Verdict == checker.Invalid }
