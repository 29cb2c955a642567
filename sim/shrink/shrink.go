package shrink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/sim"
)

// Options bound a shrinking.
type Options struct {
	// Budget is how long it may take; 0: until nothing more can be left out.
	Budget time.Duration
	// Progress is told how far it is: the events left, and the runs made; nil: nobody is.
	Progress func(events, runs int)
}

// ErrBudget says that the time was over before the run had been made once.
var ErrBudget = errors.New("the time is over before the run was made once")

// Shrink gives a smaller case with the same violation, and how many runs that took. One that does not show its violation is an error.
func Shrink(ctx context.Context, c Case, o Options) (Case, int, error) {
	inner, cancel := ctx, func() {}
	if o.Budget > 0 {
		inner, cancel = context.WithTimeout(ctx, o.Budget)
	}
	defer cancel()
	if inner.Err() != nil {
		return Case{}, 0, errors.Join(ctx.Err(), ErrBudget)
	}
	s := &shrinker{ctx: inner, best: c, progress: o.Progress}
	if s.progress == nil {
		s.progress = func(int, int) {}
	}
	if err := s.writeOut(); err != nil && (inner.Err() == nil || ctx.Err() != nil) {
		return Case{}, s.runs, err
	}
	if s.runs == 0 { // not even the run itself came to its end
		return Case{}, 0, errors.Join(ctx.Err(), ErrBudget)
	}
	s.reduce()
	s.restart(c.Plan)
	if err := errors.Join(ctx.Err(), s.err); err != nil {
		return Case{}, s.runs, err
	}
	return s.finish(ctx)
}

// reduce leaves out what can be left out, until there is nothing more.
func (s *shrinker) reduce() {
	for size := s.size() + 1; s.size() < size && s.ctx.Err() == nil && s.err == nil; {
		size = s.size()
		s.dropOperations()
		s.dropKinds()
		s.dropFaults()
		s.dropNodes()
		s.simplify()
	}
}

// shrinker tries smaller cases, and keeps the smallest that shows the violation.
type shrinker struct {
	ctx      context.Context
	best     Case
	runs     int
	progress func(events, runs int)
	err      error
}

// size is what is to become small: events above all, nodes and simplifications after them.
func (s *shrinker) size() int {
	return s.best.Events()*1000 + s.best.Plan.Nodes*10 - s.best.plainness()
}

// shows runs a case and reports whether it has the violation that is looked for.
func (s *shrinker) shows(c *Case) bool {
	if s.ctx.Err() != nil || s.err != nil {
		return false
	}
	s.runs++
	r, err := c.Run(s.ctx, nil)
	if err != nil && s.ctx.Err() == nil {
		s.err = err
	}
	if err != nil || !ViolationOf(&r).Same(s.best.Violation) {
		return false
	}
	return true
}

// try takes a case for the best if it shows the violation.
func (s *shrinker) try(c Case) bool {
	if !s.shows(&c) {
		return false
	}
	s.best = c
	s.progress(s.best.Events(), s.runs)
	return true
}

// writeOut makes a case of a whole run one that names its operations, which must show the same.
func (s *shrinker) writeOut() error {
	whole := s.best
	noted := &noting{Decider: whole.decider()}
	r, err := whole.run(s.ctx, noted, nil)
	if err != nil {
		return err
	}
	s.runs++
	if v := ViolationOf(&r); !v.Same(whole.Violation) {
		return fmt.Errorf("the run does not show %q: it shows %q", whole.Violation, v)
	}
	if !whole.Whole {
		return nil
	}
	named := whole
	named.Whole, named.Operations = false, noted.operations
	if !s.try(named) && s.err == nil && s.ctx.Err() == nil {
		return errors.New("the run changes when it is given the same faults and operations by name: the simulator is at fault")
	}
	return s.err
}

// noting notes which operations are done.
type noting struct {
	sim.Decider
	operations []Operation
}

// Fault implements sim.Decider.
func (n *noting) Fault(c sim.Choice, odds uint32, outcomes uint64) uint64 {
	outcome := n.Decider.Fault(c, odds, outcomes)
	if c.Kind == sim.SkipOperation && outcome == 0 {
		n.operations = append(n.operations, Operation{c.From, c.Seq})
	}
	return outcome
}

// dropOperations leaves out whole workers, then operations.
func (s *shrinker) dropOperations() {
	fails := func(ops []Operation) bool {
		c := s.best
		c.Operations = ops
		return s.try(c)
	}
	var workers []int32
	for _, op := range s.best.Operations {
		if !slices.Contains(workers, op.Worker) {
			workers = append(workers, op.Worker)
		}
	}
	Minimize(workers, func(some []int32) bool {
		return fails(slices.DeleteFunc(slices.Clone(s.best.Operations), func(op Operation) bool { return !slices.Contains(some, op.Worker) }))
	})
	Minimize(s.best.Operations, fails)
}

// dropKinds leaves out all faults of a kind at once.
func (s *shrinker) dropKinds() {
	for kind := sim.ChoiceKind(1); kind < sim.LastFault; kind++ {
		c := s.best
		c.Faults = slices.DeleteFunc(slices.Clone(c.Faults), func(f Fault) bool { return f.Kind == kind })
		if len(c.Faults) < len(s.best.Faults) {
			s.try(c)
		}
	}
}

func (s *shrinker) dropFaults() {
	Minimize(s.best.Faults, func(faults []Fault) bool {
		c := s.best
		c.Faults = faults
		return s.try(c)
	})
}

// dropNodes leaves out one node after the other; those after it move up.
func (s *shrinker) dropNodes() {
	for node := s.best.Plan.Nodes; node >= 1 && s.best.Plan.Nodes > 1; node-- {
		s.try(s.best.without(node))
	}
}

// finish gives the best as it is to be kept: with its hash, its steps, and no injection in the plan that does not take place.
func (s *shrinker) finish(ctx context.Context) (Case, int, error) {
	c := s.best
	c.Plan = clonePlan(c.Plan)
	c.Plan.Injections = slices.DeleteFunc(c.Plan.Injections, func(in sim.Injection) bool {
		return !slices.ContainsFunc(c.Faults, func(f Fault) bool { return f.Kind == sim.Inject && f.Seq == uint64(in.ID) })
	})
	told, r, err := c.Tell(ctx)
	if err != nil {
		return Case{}, s.runs, err
	}
	c.Violation, c.Hash, c.Steps = ViolationOf(&r), HashText(r.Hash), told.Steps()
	return c, s.runs, nil
}
