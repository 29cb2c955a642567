package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

// Batch is many runs, of plans drawn from consecutive seeds.
type Batch struct {
	Swarm Swarm
	First uint64 // seed
	Runs  uint64 // how many; 0: until ctx ends
	// Stride is from one seed to the next; 0 takes 1. Shard i of n has First i and Stride n.
	Stride   uint64
	Parallel int // runs at a time; 0 takes 1
	// RepeatEvery is how often a run is made twice and compared; 0 takes once in a hundred.
	RepeatEvery uint64
	// Steer has what was reached so far change what is drawn next. It depends on nothing but the batch, so that the same batch
	// makes the same runs; a run of it is repeated from its Plan, or from its seed and Result.Plan's weights.
	Steer        bool
	NoInvariants bool
	NoLiveness   bool
	// Done is told each run, in the order of seeds, in one goroutine at a time. When it returns false the batch ends.
	Done func(Result) bool
}

// Totals are what a batch has come to.
type Totals struct {
	Runs       uint64
	Repeated   uint64 // that were made twice, with the same hash
	Verdicts   map[checker.Verdict]uint64
	Operations store.Counts
	Events     uint64
	Simulated  time.Duration
	Faults     map[string]int
	Coverage   Coverage
	Reached    Coverage // in how many runs each counter was not zero
	Failed     []uint64 // seeds, at most a thousand
	Weights    Weights  // as the next round would have them
	Hash       uint64   // of the runs' hashes, in the order of seeds
}

// roundSize is how many runs are drawn from the same weights.
const roundSize = 256

// Run makes the runs. Its error is the simulator's own: a plan that cannot be run, or a run that cannot be repeated. When ctx ends
// the totals are those of the runs that were done.
func (b Batch) Run(ctx context.Context) (Totals, error) {
	t := Totals{Verdicts: map[checker.Verdict]uint64{}, Faults: map[string]int{}, Weights: b.Swarm.Weights}
	if t.Weights == (Weights{}) {
		t.Weights = UsualWeights()
	}
	steering := NewSteering(t.Weights)
	for done := uint64(0); b.Runs == 0 || done < b.Runs; {
		size := uint64(roundSize)
		if b.Runs > 0 {
			size = min(size, b.Runs-done)
		}
		b.Swarm.Weights = t.Weights
		goOn, err := b.round(ctx, done, size, &t, steering)
		if err != nil || !goOn || ctx.Err() != nil {
			return t, err
		}
		done += size
		if b.Steer {
			t.Weights = steering.Weights()
		}
	}
	return t, nil
}

// outcome is a run of a round.
type outcome struct {
	result Result
	err    error
	done   chan struct{}
}

// round makes runs from number first on, and takes them in in their order.
func (b Batch) round(ctx context.Context, first, size uint64, t *Totals, s *Steering) (goOn bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	outcomes := make([]outcome, size)
	next := make(chan uint64, size)
	for i := range size {
		outcomes[i].done = make(chan struct{})
		next <- i
	}
	close(next)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for range max(b.Parallel, 1) {
		group.Go(func() {
			for i := range next {
				outcomes[i].result, outcomes[i].err = b.one(ctx, first+i)
				close(outcomes[i].done)
			}
		})
	}
	for i := range outcomes {
		o := &outcomes[i]
		select {
		case <-o.done:
		case <-ctx.Done():
			return false, nil
		}
		switch {
		case ctx.Err() != nil:
			return false, nil
		case o.err != nil:
			return false, o.err
		}
		t.add(&o.result, b.repeats(first+uint64(i)))
		s.Learn(&o.result)
		if b.Done != nil && !b.Done(o.result) {
			return false, nil
		}
		o.result = Result{} // lets go of the history
	}
	return true, nil
}

func (b Batch) repeats(number uint64) bool {
	every := b.RepeatEvery
	if every == 0 {
		every = 100
	}
	return number%every == every-1
}

// one makes a run, and every so often makes it again.
func (b Batch) one(ctx context.Context, number uint64) (Result, error) {
	seed := b.First + number*max(b.Stride, 1)
	o := Options{Plan: b.Swarm.Draw(seed), NoInvariants: b.NoInvariants, NoLiveness: b.NoLiveness}
	r, err := Run(ctx, o)
	if err != nil {
		return r, fmt.Errorf("seed %d: %w", seed, err)
	}
	if !b.repeats(number) {
		return r, nil
	}
	return r, Repeat(ctx, o, r)
}

// Repeat makes a run again and compares.
func Repeat(ctx context.Context, o Options, r Result) error {
	again, err := Run(ctx, o)
	if err != nil {
		return fmt.Errorf("seed %d, again: %w", r.Seed, err)
	}
	if again.Hash != r.Hash || again.Events != r.Events {
		return fmt.Errorf("seed %d does not give the same run twice: %d events with hash %016x, then %d with %016x", r.Seed, r.Events, r.Hash, again.Events, again.Hash)
	}
	return nil
}

// maxFailed bounds Totals.Failed.
const maxFailed = 1000

func (t *Totals) add(r *Result, repeated bool) {
	t.Runs++
	t.Hash = mix(t.Hash, r.Hash)
	if repeated {
		t.Repeated++
	}
	t.Verdicts[r.Verdict]++
	t.Operations.OK += r.Operations.OK
	t.Operations.Fail += r.Operations.Fail
	t.Operations.Info += r.Operations.Info
	t.Events += r.Events
	t.Simulated += r.Simulated
	for fault, n := range r.Faults {
		t.Faults[fault] += n
	}
	t.Coverage.Add(r.Coverage)
	for i, n := range r.Coverage {
		t.Reached[i] += min(n, 1)
	}
	if r.Failed() && len(t.Failed) < maxFailed {
		t.Failed = append(t.Failed, r.Seed)
	}
}
