package campaign_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/felt"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

// plan is a campaign of four cells.
func plan(runs int) campaign.Plan {
	return campaign.Plan{Started: time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC), Command: []string{"ordeal", "torture"}, Cluster: "local",
		Versions:  []campaign.Version{{Name: "current", Digest: "aa"}, {Name: "mutant:stale-read", Digest: "bb"}},
		Workloads: []string{"register"}, Faults: []string{"kill", "kill,partition"},
		Nodes: 3, Clients: 5, Duration: time.Second, Timeout: time.Second, Seed: 100, Runs: runs}
}

// runner carries runs out whose outcome is a function of version, faults and seed, as a simulated run's is.
type runner func(ctx context.Context, job campaign.Job) (campaign.Run, error)

func (f runner) Run(ctx context.Context, job campaign.Job) (campaign.Run, error) { return f(ctx, job) }

// seeded fails for one seed in five of the mutant, is unknown for one in seven, and leaves a file each time.
func seeded(_ context.Context, job campaign.Job) (campaign.Run, error) {
	r := campaign.Run{Verdict: checker.Valid, Operations: store.Counts{OK: int(job.Seed)}, Took: 2,
		Felt: &felt.Run{Phases: []felt.Phase{{Name: "calm", Length: time.Second, Counts: store.Counts{OK: 10}}}}}
	switch {
	case job.Version.Digest == "bb" && job.Seed%5 == 0:
		r.Verdict, r.Reason, r.Checkers = checker.Invalid, "a stale read", []string{"linearizable"}
	case job.Seed%7 == 0:
		r.Verdict, r.Reason = checker.Unknown, "nothing took hold"
	}
	r.Folder = filepath.Join(job.Folder, "20261124T150000.000Z")
	if err := os.MkdirAll(r.Folder, 0o755); err != nil {
		return r, err
	}
	return r, os.WriteFile(filepath.Join(r.Folder, "history.jsonl"), make([]byte, 1000), 0o644)
}

// carry runs a new campaign to its end and gives it as it is on the disk.
func carry(t *testing.T, p campaign.Plan, r runner, o campaign.Options) *campaign.Campaign {
	t.Helper()
	c, err := campaign.Create(filepath.Join(t.TempDir(), "c"), p)
	require.NoError(t, err)
	require.NoError(t, campaign.Carry(t.Context(), c, r, o))
	require.NoError(t, c.Close())
	c, err = campaign.Open(c.Folder)
	require.NoError(t, err)
	return c
}

// outcomes are runs without what differs from one machine to the next.
func outcomes(c *campaign.Campaign) map[string]campaign.Run {
	all := map[string]campaign.Run{}
	for _, r := range c.Runs {
		r.Started, r.Elapsed = time.Time{}, 0
		all[fmt.Sprintf("%d/%d", r.Number, r.Again)] = r
	}
	return all
}

func TestEveryRunOfThePlanIsDoneOnce(t *testing.T) {
	c := carry(t, plan(14), seeded, campaign.Options{Parallel: 4})
	require.Len(t, c.Runs, 14*4)
	require.Len(t, outcomes(c), 14*4)
	seeds := map[campaign.Cell]map[uint64]bool{}
	for _, r := range c.Runs {
		if seeds[r.Cell] == nil {
			seeds[r.Cell] = map[uint64]bool{}
		}
		seeds[r.Cell][r.Seed] = true
	}
	require.Len(t, seeds, 4)
	for cell, of := range seeds {
		require.Len(t, of, 14, "%v", cell)
		require.True(t, of[100] && of[113], "every cell has the same seeds: %v", cell)
	}
	require.Equal(t, checker.Invalid, c.Verdict())
}

// Whole folders for failures, as told, and a line for passes.
func TestOnlyFailuresKeepTheirFolders(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		c := carry(t, plan(14), seeded, campaign.Options{Parallel: 2, KeepInvalid: true, KeepUnknown: unknown})
		kept := 0
		for _, r := range c.Runs {
			want := r.Verdict == checker.Invalid || unknown && r.Verdict == checker.Unknown
			require.Equal(t, want, r.Folder != "", "run %d is %s", r.Number, r.Verdict)
			if want {
				require.FileExists(t, filepath.Join(c.Folder, r.Folder, "history.jsonl"))
				kept++
			}
		}
		folders, err := os.ReadDir(filepath.Join(c.Folder, campaign.RunsFolder))
		require.NoError(t, err)
		require.Len(t, folders, kept)
	}
}

func TestDiskIsBounded(t *testing.T) {
	c := carry(t, plan(40), seeded, campaign.Options{Parallel: 2, KeepInvalid: true, KeepUnknown: true, MaxDisk: 5500})
	folders, err := os.ReadDir(filepath.Join(c.Folder, campaign.RunsFolder))
	require.NoError(t, err)
	require.Len(t, folders, 5, "each takes 1000 bytes")
	left := map[string]bool{}
	for _, f := range folders {
		left[f.Name()] = true
	}
	cells := map[campaign.Cell]int{}
	for _, r := range c.Runs {
		if left[fmt.Sprintf("%06d", r.Number)] {
			require.Equal(t, checker.Invalid, r.Verdict, "what is unknown goes first")
			cells[r.Cell]++
		}
	}
	require.Len(t, cells, 2, "both cells that failed still have something to show: %v", cells)
	require.Len(t, c.Runs, 160, "the lines stay")
}

func TestTwoShardsMergedAreOneWhole(t *testing.T) {
	whole := carry(t, plan(15), seeded, campaign.Options{Parallel: 2, Reproduce: 2, KeepInvalid: true})
	var parts []*campaign.Campaign
	for i := range 2 {
		p := plan(15)
		p.Shard = campaign.Shard{Index: i + 1, Count: 2}
		parts = append(parts, carry(t, p, seeded, campaign.Options{Parallel: 3, Reproduce: 2, KeepInvalid: true}))
	}
	merged, err := campaign.Merge(filepath.Join(t.TempDir(), "merged"), parts...)
	require.NoError(t, err)
	merged, err = campaign.Open(merged.Folder)
	require.NoError(t, err)
	require.Equal(t, outcomes(whole), outcomes(merged))
	require.Equal(t, whole.Plan.Total(), merged.Plan.Total())
	require.Equal(t, whole.Plan.Shard, merged.Plan.Shard)
	for _, r := range merged.Violations() {
		require.FileExists(t, filepath.Join(merged.Folder, r.Folder, "history.jsonl"))
	}

	_, err = campaign.Merge(filepath.Join(t.TempDir(), "twice"), parts[0], parts[0])
	require.ErrorContains(t, err, "the same shard twice would count double")
	other := plan(15)
	other.Seed++
	_, err = campaign.Merge(filepath.Join(t.TempDir(), "other"), parts[0], carry(t, other, seeded, campaign.Options{}))
	require.ErrorContains(t, err, "are not of one campaign; seed: 100, and 101")
}

// However many shards there are and however the cells lie, each run is of exactly one shard.
func TestShardsDivideThePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan(rapid.IntRange(1, 20).Draw(t, "runs"))
		p.Versions = p.Versions[:rapid.IntRange(1, 2).Draw(t, "versions")]
		count := rapid.IntRange(1, 7).Draw(t, "count")
		total := 0
		for i := range count {
			p.Shard = campaign.Shard{Index: i + 1, Count: count}
			total += p.Total()
		}
		if p.Shard = (campaign.Shard{}); total != p.Total() {
			t.Fatalf("%d shards have %d runs, the whole %d", count, total, p.Total())
		}
	})
}

func TestStopAtTheFirstViolation(t *testing.T) {
	c := carry(t, plan(1000), seeded, campaign.Options{Parallel: 1, Stop: campaign.StopAtFirst})
	require.Len(t, c.Violations(), 1)
	require.Equal(t, c.Violations()[0].Number, c.Runs[len(c.Runs)-1].Number)

	c = carry(t, plan(10), seeded, campaign.Options{Parallel: 1, Stop: campaign.StopCellsAtFirst})
	require.Len(t, c.Violations(), 2, "one in each of the mutant's cells")
	require.Len(t, c.Runs, 2*10+2, "the others go on to their end")
}

// A violation is repeated on its seed, as often as asked for and counted apart; a campaign that goes on asks for what is missing.
func TestViolationsAreRepeated(t *testing.T) {
	attempts := atomic.Int64{}
	flaky := func(ctx context.Context, job campaign.Job) (campaign.Run, error) {
		r, err := seeded(ctx, job)
		if job.Again > 0 {
			attempts.Add(1)
			if job.Again%2 == 0 {
				r.Verdict = checker.Valid
			}
		}
		return r, err
	}
	c := carry(t, plan(5), flaky, campaign.Options{Parallel: 3, Reproduce: 4})
	require.Len(t, c.Violations(), 2)
	for _, r := range c.Violations() {
		require.Equal(t, campaign.Repeated{Again: 2, Of: 4}, c.Repetitions()[r.Number])
	}
	require.Len(t, c.Runs, 5*4+2*4)
	require.EqualValues(t, 8, attempts.Load())

	resumed, err := campaign.Resume(c.Folder)
	require.NoError(t, err)
	defer resumed.Close()
	require.NoError(t, campaign.Carry(t.Context(), resumed, runner(flaky), campaign.Options{Reproduce: 5}))
	require.EqualValues(t, 10, attempts.Load(), "one more for each of the two")
}

// The last runs of a campaign are repeated too, though all workers but one have nothing left to do by then.
func TestTheLastViolationIsRepeated(t *testing.T) {
	for range 20 {
		c := carry(t, plan(1), seeded, campaign.Options{Parallel: 4, Reproduce: 3})
		require.Len(t, c.Violations(), 2)
		require.Len(t, c.Runs, 4+2*3)
	}
}

func TestAHarnessThatAlwaysFailsEndsTheCampaign(t *testing.T) {
	c, err := campaign.Create(t.TempDir(), plan(1000))
	require.NoError(t, err)
	defer c.Close()
	err = campaign.Carry(t.Context(), c, runner(func(context.Context, campaign.Job) (campaign.Run, error) {
		return campaign.Run{}, errors.New("no port is free")
	}), campaign.Options{Parallel: 2})
	require.ErrorContains(t, err, "runs failed, so the next would too: the harness failed: no port is free")
	require.Less(t, len(c.Runs), 10)
	require.Equal(t, checker.Unknown, c.Verdict(), "a harness that fails proves nothing")
}

// What an interruption cut short does not count, and is done when the campaign goes on.
func TestAnInterruptionLosesNothing(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	c, err := campaign.Create(t.TempDir(), plan(6))
	require.NoError(t, err)
	var once sync.Once
	err = campaign.Carry(ctx, c, runner(func(ctx context.Context, job campaign.Job) (campaign.Run, error) {
		if job.Number == 9 {
			once.Do(interrupt)
			<-ctx.Done()
			r, err := seeded(ctx, job) // for its files
			r.Verdict, r.Reason = checker.Unknown, "interrupted"
			return r, err
		}
		return seeded(ctx, job)
	}), campaign.Options{Parallel: 2, KeepUnknown: true})
	require.NoError(t, err)
	require.NotContains(t, outcomes(c), "9/0")
	require.NoDirExists(t, filepath.Join(c.Folder, campaign.RunsFolder, "000009"), "what does not count leaves nothing")
	require.NoError(t, c.Close())
	c, err = campaign.Resume(c.Folder)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, campaign.Carry(t.Context(), c, runner(seeded), campaign.Options{}))
	require.Len(t, outcomes(c), 24)
	require.Len(t, c.Runs, 24)
}

func TestNobodyElseWorksOnACampaign(t *testing.T) {
	c, err := campaign.Create(t.TempDir(), plan(1))
	require.NoError(t, err)
	_, err = campaign.Resume(c.Folder)
	require.ErrorContains(t, err, "is being worked on by another process")
	require.NoError(t, c.Close())
	_, err = campaign.Create(c.Folder, plan(1))
	require.ErrorContains(t, err, "has a campaign already: --resume goes on with it")
	c, err = campaign.Resume(c.Folder)
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// Malformed files are refused with the line and the remedy.
func TestMalformedFiles(t *testing.T) {
	good := carry(t, plan(1), seeded, campaign.Options{})
	line := func(change func(r *campaign.Run)) string {
		r := good.Runs[0]
		change(&r)
		b, err := json.Marshal(r)
		require.NoError(t, err)
		return string(b) + "\n"
	}
	first := line(func(*campaign.Run) {})
	for text, want := range map[string]string{
		"{\n":                          "runs.jsonl:1: not a run: unexpected EOF; remove the line, and the run is done again",
		first + "\n[]\n":               "runs.jsonl:3: not a run: json: cannot unmarshal array",
		first + first:                  "runs.jsonl:2: run 0 is there twice, first in line 1: remove one of them",
		first[:len(first)-1] + " {}\n": "runs.jsonl:1: not a run: there is more on the line behind it",
		line(func(r *campaign.Run) { r.Verdict = "maybe" }):                `the verdict is "maybe", and can only be`,
		line(func(r *campaign.Run) { r.Seed = 7 }):                         "run 0 of campaign.json is current, register, kill with seed 100: the line is of another campaign",
		line(func(r *campaign.Run) { r.Number = -1 }):                      "cannot be negative",
		line(func(r *campaign.Run) { r.Failed = true }):                    "a failed run is unknown",
		line(func(r *campaign.Run) { r.Felt = &felt.Run{Leaderless: -1} }): "felt: times and counts cannot be negative",
	} {
		_, _, err := campaign.DecodeRuns("runs.jsonl", &good.Plan, []byte(text))
		require.ErrorContains(t, err, want, text)
	}
	for text, want := range map[string]string{
		"{\n\"nodes\": \"five\"}": "campaign.json:2:15: json: cannot unmarshal string",
		"{}":                      "campaign.json: format 0; this program knows format 1; restore the file, or begin a new campaign",
	} {
		_, err := campaign.DecodePlan("campaign.json", []byte(text))
		require.ErrorContains(t, err, want)
	}
	_, err := campaign.Open(t.TempDir())
	require.ErrorContains(t, err, "is not a campaign's folder: it has no campaign.json; `ordeal torture` makes one")
}

func TestPlansThatCannotBeRun(t *testing.T) {
	for want, change := range map[string]func(p *campaign.Plan){
		"needs a version":                        func(p *campaign.Plan) { p.Versions = nil },
		`the workload "register" is named twice`: func(p *campaign.Plan) { p.Workloads = []string{"register", "register"} },
		"a version needs a name and a digest":    func(p *campaign.Plan) { p.Versions[0].Digest = "" },
		"shard 3/2: want 1/n to n/n":             func(p *campaign.Plan) { p.Shard = campaign.Shard{Index: 3, Count: 2} },
		"runs of each cell: want 0":              func(p *campaign.Plan) { p.Runs = -1 },
		"nodes, clients":                         func(p *campaign.Plan) { p.Clients = 0 },
	} {
		p := plan(1)
		change(&p)
		_, err := campaign.Create(t.TempDir(), p)
		require.ErrorContains(t, err, want)
	}
	for _, text := range []string{"", "3", "0/4", "5/4", "1/2/3", "a/b", "1 /2", "-1/2"} {
		_, err := campaign.ParseShard(text)
		require.Error(t, err, text)
	}
	s, err := campaign.ParseShard("3/16")
	require.NoError(t, err)
	require.Equal(t, campaign.Shard{Index: 3, Count: 16}, s)
}
