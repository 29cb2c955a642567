package bisect_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/campaign/bisect"
	"github.com/ordeal-dev/ordeal/campaign/stats"
)

// exact are versions of which those from first on fail in every run.
func exact(first int) bisect.Trial {
	return func(_ context.Context, version, _ int) (bisect.Outcome, error) {
		if version >= first {
			return bisect.Failed, nil
		}
		return bisect.Passed, nil
	}
}

func TestExactRunsTakeOneAStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := rapid.IntRange(2, 1000).Draw(t, "versions")
		first := rapid.IntRange(1, versions-1).Draw(t, "first")
		o := bisect.Default
		o.Exact = true
		r, err := bisect.Search(context.Background(), versions, exact(first), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.First != first || r.Last != first || r.Error != 0 {
			t.Fatalf("found %d to %d, it came with %d", r.First, r.Last, first)
		}
		if most := 2 + int(math.Ceil(math.Log2(float64(versions)))); r.Runs > most {
			t.Fatalf("%d runs for %d versions", r.Runs, versions)
		}
	})
}

// noisy are versions of which those from first on fail at a rate, and the others at a lower one.
func noisy(seed uint64, first int, lower, rate float64) bisect.Trial {
	rng, mu := rand.New(rand.NewPCG(seed, 0)), sync.Mutex{}
	return func(_ context.Context, version, _ int) (bisect.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		p := lower
		if version >= first {
			p = rate
		}
		if rng.Float64() < p {
			return bisect.Failed, nil
		}
		return bisect.Passed, nil
	}
}

// The promise: a wrong commit is named with a chance of at most Error, wherever it lies and whatever the rates are.
func TestNoisyBisectionsKeepTheirPromise(t *testing.T) {
	for _, c := range []struct{ good, bad float64 }{{0, 0.15}, {0, 0.6}, {0.05, 0.4}} {
		const rounds, versions, promise = 400, 33, 0.1
		wrong := 0
		for round := range uint64(rounds) {
			first := 1 + int(round)%(versions-1)
			o := bisect.Default
			o.Error, o.GoodRate, o.Parallel, o.Most = promise, c.good, 3, 5000
			r, err := bisect.Search(t.Context(), versions, noisy(round, first, c.good, c.bad), o)
			if err != nil || r.First != first || r.Last != first {
				wrong++
			}
			require.Equal(t, promise, r.Error)
		}
		require.LessOrEqual(t, float64(wrong)/rounds, promise+3*math.Sqrt(promise*(1-promise)/rounds), "%v", c)
	}
}

// Versions that cannot be decided are passed over; where that leaves a doubt the result is a range.
func TestVersionsThatCannotBeDecided(t *testing.T) {
	broken := map[int]bool{4: true, 5: true, 7: true}
	trial := func(ctx context.Context, version, attempt int) (bisect.Outcome, error) {
		if broken[version] {
			return bisect.Untestable, nil
		}
		return exact(6)(ctx, version, attempt)
	}
	o := bisect.Default
	o.Exact = true
	r, err := bisect.Search(t.Context(), 10, trial, o)
	require.NoError(t, err)
	require.Equal(t, []int{4, 6}, []int{r.First, r.Last})

	silent := func(ctx context.Context, version, attempt int) (bisect.Outcome, error) {
		if version == 5 {
			return bisect.Unknown, nil
		}
		return exact(5)(ctx, version, attempt)
	}
	r, err = bisect.Search(t.Context(), 10, silent, bisect.Default)
	require.NoError(t, err)
	require.Equal(t, []int{5, 6}, []int{r.First, r.Last})
	require.Contains(t, r.Steps, bisect.Step{Version: 5, Decision: stats.Undecided, Why: "10 runs in a row came to no verdict"})
}

func TestEndsThatAreNotWhatTheyAreCalled(t *testing.T) {
	o := bisect.Default
	o.Most = 50
	_, err := bisect.Search(t.Context(), 10, exact(100), o)
	require.ErrorIs(t, err, bisect.ErrDoesNotFail)
	_, err = bisect.Search(t.Context(), 10, exact(0), o)
	require.ErrorContains(t, err, "the good end fails too, 1 times in 1 runs: begin at an older commit")
	_, err = bisect.Search(t.Context(), 1, exact(0), o)
	require.ErrorContains(t, err, "needs a good version and a bad one")
	o.GoodRate = 0.9
	_, err = bisect.Search(t.Context(), 10, exact(5), o)
	require.ErrorContains(t, err, "cannot be told apart")
	o.Error = 1
	_, err = bisect.Search(t.Context(), 10, exact(5), o)
	require.ErrorContains(t, err, "--error 1")
}

// A bad end that does not compile is not one that fails too rarely, and is run no more.
func TestABadEndThatCannotBeRun(t *testing.T) {
	for _, exact := range []bool{false, true} {
		tried := 0
		o := bisect.Default
		o.Exact = exact
		r, err := bisect.Search(t.Context(), 3, func(context.Context, int, int) (bisect.Outcome, error) {
			tried++
			return bisect.Untestable, nil
		}, o)
		require.ErrorIs(t, err, bisect.ErrCannotRun)
		require.NotErrorIs(t, err, bisect.ErrDoesNotFail)
		require.Equal(t, 1, tried)
		require.Equal(t, []bisect.Step{{Version: 2, Decision: stats.Undecided, Why: "it cannot be run"}}, r.Steps)
	}
}

func TestAHarnessThatFailsEndsTheBisection(t *testing.T) {
	broken := errors.New("no port is free")
	_, err := bisect.Search(t.Context(), 4, func(context.Context, int, int) (bisect.Outcome, error) { return bisect.Failed, broken }, bisect.Default)
	require.ErrorIs(t, err, broken)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = bisect.Search(ctx, 4, func(context.Context, int, int) (bisect.Outcome, error) { cancel(); return bisect.Failed, nil }, bisect.Default)
	require.ErrorIs(t, err, context.Canceled)
}
