package campaign_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/checker"
)

// A plan that no machine could ever do is refused, and not counted run by run.
func TestPlansHaveBounds(t *testing.T) {
	for _, runs := range []int{-1, math.MaxInt, campaign.MostRuns, campaign.MostRuns/4 + 1} {
		_, err := campaign.Create(filepath.Join(t.TempDir(), "c"), plan(runs))
		require.ErrorContains(t, err, "runs of each cell: want 0 to 250000000, since over 4 cells", "%d", runs)
	}
	c, err := campaign.Create(filepath.Join(t.TempDir(), "c"), plan(campaign.MostRuns/4))
	require.NoError(t, err)
	require.Equal(t, campaign.MostRuns, c.Plan.Total())
	require.ErrorContains(t, c.Extend(math.MaxInt), "runs of each cell")
	require.Equal(t, campaign.MostRuns, c.Plan.Total(), "as it was")
	require.NoError(t, c.Close())
	_, err = campaign.ParseShard("1/1000001")
	require.ErrorContains(t, err, "want 1000000 shards at most")
}

// The shards of a campaign have all of its runs, each one.
func TestShardsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan(rapid.IntRange(0, 50).Draw(t, "runs"))
		count := rapid.IntRange(1, 20).Draw(t, "shards")
		total := 0
		for i := range count {
			shard := p
			shard.Shard = campaign.Shard{Index: i + 1, Count: count}
			total += shard.Total()
		}
		if total != p.Total() || p.Total() != 4*p.Runs {
			t.Fatalf("%d runs in %d shards, want %d", total, count, 4*p.Runs)
		}
	})
}

// What cannot be done at all ends the campaign with its first run, and leaves nothing that would count.
func TestWhatCannotBeDoneEndsTheCampaign(t *testing.T) {
	cannot := func(_ context.Context, job campaign.Job) (campaign.Run, error) {
		if err := os.MkdirAll(job.Folder, 0o755); err != nil {
			return campaign.Run{}, err
		}
		return campaign.Run{}, errors.Join(errors.New("no disks here"), campaign.ErrCannot)
	}
	c, err := campaign.Create(filepath.Join(t.TempDir(), "c"), plan(1000))
	require.NoError(t, err)
	err = campaign.Carry(t.Context(), c, runner(cannot), campaign.Options{Parallel: 3, KeepUnknown: true})
	require.ErrorIs(t, err, campaign.ErrCannot)
	require.ErrorContains(t, err, "no disks here")
	require.NoError(t, c.Close())
	again, err := campaign.Resume(c.Folder)
	require.NoError(t, err)
	require.Empty(t, again.Runs)
	require.NoError(t, again.Close())
	entries, err := os.ReadDir(filepath.Join(c.Folder, campaign.RunsFolder))
	require.NoError(t, err)
	require.Empty(t, entries)
}

// Repetitions are no runs.
func TestCountsAreOfRuns(t *testing.T) {
	c := carry(t, plan(14), seeded, campaign.Options{Reproduce: 3})
	n := c.Counts()
	require.Equal(t, 14*4, n.Runs)
	require.Equal(t, 2*3, n.Invalid, "seeds 100, 105 and 110, two mixtures")
	require.Equal(t, 3*n.Invalid, n.Repetitions)
	require.Len(t, c.Runs, n.Runs+n.Repetitions)
	unknown := 0
	for _, r := range c.Runs {
		if r.Verdict == checker.Unknown {
			unknown++
		}
	}
	require.Equal(t, unknown, n.Unknown)
}

// A merged campaign within one of its shards would be removed when that one goes on.
func TestMergedIntoItself(t *testing.T) {
	c := carry(t, plan(2), seeded, campaign.Options{})
	link := filepath.Join(t.TempDir(), "latest")
	require.NoError(t, os.Symlink(c.Folder, link))
	for _, into := range []string{c.Folder, filepath.Join(c.Folder, "runs", "merged"), filepath.Join(link, "not", "there", "yet")} {
		_, err := campaign.Merge(into, c)
		require.ErrorContains(t, err, "the merged campaign would lie in "+c.Folder, into)
	}
	beside := filepath.Join(filepath.Dir(c.Folder), "c2")
	merged, err := campaign.Merge(beside, c)
	require.NoError(t, err)
	require.Equal(t, outcomes(c), outcomes(merged))
}

// A repetition is told where the run is that it does again: its schedule is there.
func TestARepetitionKnowsWhatItRepeats(t *testing.T) {
	var mu sync.Mutex
	repeated := map[int]string{}
	look := func(ctx context.Context, job campaign.Job) (campaign.Run, error) {
		mu.Lock()
		defer mu.Unlock()
		if job.Again > 0 {
			repeated[job.Number] = job.Repeats
		} else if job.Repeats != "" {
			return campaign.Run{}, errors.New("this is no repetition")
		}
		return seeded(ctx, job)
	}
	for _, keep := range []bool{true, false} {
		clear(repeated)
		c := carry(t, plan(6), look, campaign.Options{Parallel: 2, Reproduce: 2, KeepInvalid: keep})
		require.NotEmpty(t, c.Violations())
		for _, r := range c.Violations() {
			want := ""
			if keep {
				want = filepath.Join(c.Folder, r.Folder)
				require.DirExists(t, want)
			}
			require.Contains(t, repeated, r.Number)
			require.Equal(t, want, repeated[r.Number])
		}
	}
}

// Campaigns with another schedule, or with none, are not of one plan.
func TestSchedulesAreOfThePlan(t *testing.T) {
	scheduled := func(text string) campaign.Plan {
		p := plan(2)
		p.Faults, p.Schedule = p.Faults[:1], json.RawMessage(text)
		return p
	}
	a := carry(t, scheduled(`{"steps": [1]}`), seeded, campaign.Options{})
	b := carry(t, scheduled(`{"steps":[2]}`), seeded, campaign.Options{})
	spaced := scheduled(`{ "steps":[1] }`)
	require.Equal(t, a.Plan.ScheduleDigest(), spaced.ScheduleDigest(), "white space does not count")
	_, err := campaign.Merge(filepath.Join(t.TempDir(), "m"), a, b)
	require.ErrorContains(t, err, "are not of one campaign; schedule: ")
	p := scheduled(`{"steps":`)
	_, err = campaign.Create(filepath.Join(t.TempDir(), "c"), p)
	require.ErrorContains(t, err, "a schedule is a JSON document")
	require.Contains(t, a.Replay(&a.Runs[0]), a.Folder)
}
