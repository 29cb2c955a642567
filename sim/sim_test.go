package sim

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

var (
	seeds     = flag.Uint64("sim.seeds", 90, "how many seeds TestSwarm runs")
	seed      = flag.Uint64("sim.seed", 0, "run this seed only")
	firstSeed = flag.Uint64("sim.first", 1, "the first of them")
)

func TestSwarm(t *testing.T) {
	var all Coverage
	names := workloads.Names()
	first, n := *firstSeed, *seeds
	if *seed != 0 {
		first, n = *seed, 1
	}
	failed := 0
	ops, simulated := store.Counts{}, time.Duration(0)
	start := time.Now()
	verdicts := map[checker.Verdict]int{}
	for seed := first; seed < first+n; seed++ {
		r, err := Run(context.Background(), Options{Plan: Swarm{Workload: names[seed%uint64(len(names))]}.Draw(seed)})
		require.NoError(t, err, "seed %d", seed)
		all.Add(r.Coverage)
		verdicts[r.Verdict]++
		ops.OK += r.Operations.OK
		ops.Fail += r.Operations.Fail
		ops.Info += r.Operations.Info
		simulated += r.Simulated
		if r.Verdict == checker.Invalid {
			failed++
			t.Errorf("-sim.seed=%d: %s (%v) %s", seed, r.Reason, r.Violations, r.Stack)
		}
	}
	t.Logf("%v in %v, simulated %v, operations %+v", verdicts, time.Since(start), simulated, ops)
	t.Log(all.String())
	t.Log("never:", all.Missing())
}
