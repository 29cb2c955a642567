// Command hunter runs simulated seeds one after the other until one of them fails, and tells on standard output, a JSON object
// a line, how far it is. It is built with a mutant's patch by package hunt: the nodes in the simulation are then the mutant's.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/mutants/hunt"
	"github.com/ordeal-dev/ordeal/sim"
	"github.com/ordeal-dev/ordeal/sim/shrink"
	"github.com/ordeal-dev/ordeal/workloads"
)

var (
	seed         = flag.Uint64("seed", 1, "the first seed")
	budget       = flag.Duration("cpu", time.Minute, "processor time after which to give up")
	shrinking    = flag.Duration("shrink", 0, "what was found is made small for so long; 0: it is not")
	noInvariants = flag.Bool("no-invariants", false, "leave it to the history and to liveness alone")
)

func main() {
	flag.Parse()
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(run(context.Background(), out)); err != nil {
		fmt.Fprintln(os.Stderr, "hunter:", err)
		os.Exit(1)
	}
}

// run hunts, and returns how it ended.
func run(ctx context.Context, out *json.Encoder) hunt.Tidings {
	var t hunt.Tidings
	told := used()
	for t.CPU < budget.Seconds() {
		at := *seed + t.Seeds
		r, err := sim.Run(ctx, sim.Options{Plan: plan(at), NoInvariants: *noInvariants})
		t.Seeds++
		now := used()
		t.CPU = now.Seconds()
		switch {
		case err != nil:
			t.Done, t.Failed = true, fmt.Sprintf("seed %d: %v", at, err)
			return t
		case r.Failed():
			v := shrink.ViolationOf(&r)
			t.Done, t.Found = true, &hunt.Finding{Seed: at, Workload: r.Plan.Workload, Kind: v.Kind, Name: v.Name, Text: v.Text}
			if *shrinking > 0 {
				t.Failed = small(ctx, plan(at), t.Found)
			}
			return t
		case now-told > time.Second:
			told = now
			if out.Encode(t) != nil {
				return t // nobody listens any more
			}
		}
	}
	t.Done = true
	return t
}

// small makes what was found small, and notes how small it became and how long that took. It returns what went wrong.
func small(ctx context.Context, p sim.Plan, f *hunt.Finding) (failed string) {
	begin := time.Now()
	c, _, err := shrink.Record(ctx, sim.Options{Plan: p, NoInvariants: *noInvariants})
	if err == nil {
		c, _, err = shrink.Shrink(ctx, c, shrink.Options{Budget: *shrinking})
	}
	if err != nil {
		return fmt.Sprintf("seed %d: shrinking: %v", f.Seed, err)
	}
	f.Events, f.ShrinkSeconds = c.Events(), time.Since(begin).Seconds()
	return ""
}

// plan draws the plan of a seed: the workloads take turns.
func plan(seed uint64) sim.Plan {
	names := workloads.Names()
	return sim.Swarm{Workload: names[seed%uint64(len(names))]}.Draw(seed)
}

// used is the processor time that this program has taken.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // there is no such failure
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
