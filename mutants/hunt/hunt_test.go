package hunt

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/mutants"
)

// A bug that shows at once is found, with the invariants on and by the history alone; one that does not build says why.
func TestAHunt(t *testing.T) {
	root, err := mutants.ModuleRoot()
	require.NoError(t, err)
	m, err := mutants.Find("stale-read")
	require.NoError(t, err)
	var finished []Outcome
	outcomes, err := Run(t.Context(), []mutants.Mutant{m}, Options{Root: root, Seed: 1, CPU: time.Minute, Repeat: 1, Parallel: 1, Shrink: time.Minute,
		Progress: func(mutants.Mutant, Tidings) {}, Finished: func(o Outcome) { finished = append(finished, o) }})
	require.NoError(t, err)
	require.Equal(t, outcomes, finished)
	require.Len(t, outcomes, 2)
	for i, o := range outcomes {
		require.Empty(t, o.Error)
		require.Equal(t, i == 1, o.NoInvariants)
		require.Zero(t, o.Missed())
		require.Equal(t, []string{"invariant", "history"}[i], o.Attempts[0].Found.Kind)
		require.Positive(t, o.Events())
		require.LessOrEqual(t, o.Events(), 15)
	}
	broken, err := Run(t.Context(), []mutants.Mutant{m}, Options{Root: t.TempDir(), CPU: time.Minute, Repeat: 1, Progress: func(mutants.Mutant, Tidings) {}, Finished: func(Outcome) {}})
	require.NoError(t, err)
	require.Contains(t, broken[0].Error, "mutant stale-read")
}

// A bug that breaks nothing but progress is found by the want of it: all faults have ended, and the cluster does not serve.
func TestAHuntForTheWantOfProgress(t *testing.T) {
	root, err := mutants.ModuleRoot()
	require.NoError(t, err)
	m, err := mutants.Find("commit-stops-at-old-term")
	require.NoError(t, err)
	outcomes, err := Run(t.Context(), []mutants.Mutant{m}, Options{Root: root, Seed: 1, CPU: time.Minute, Repeat: 1, Parallel: 1,
		Progress: func(mutants.Mutant, Tidings) {}, Finished: func(Outcome) {}})
	require.NoError(t, err)
	require.Len(t, outcomes, 1)
	require.Empty(t, outcomes[0].Error)
	require.Zero(t, outcomes[0].Missed())
	require.Equal(t, []string{"liveness"}, outcomes[0].By())
}

func TestOutcomes(t *testing.T) {
	found := func(seeds uint64, cpu float64, name string) Attempt {
		return Attempt{Seeds: seeds, CPU: cpu, Found: &Finding{Kind: "invariant", Name: name}}
	}
	o := Outcome{Attempts: []Attempt{found(9, 1, "a"), {Seeds: 100, CPU: 30}, found(4, 2, "b"), found(50, 3, "b"), {Seeds: 90, CPU: 30}}}
	seeds, cpu := o.Median()
	require.EqualValues(t, 50, seeds)
	require.Equal(t, 3*time.Second, cpu)
	require.Equal(t, 2, o.Missed())
	require.Equal(t, []string{"invariant: b", "invariant: a"}, o.By())
	require.Zero(t, Outcome{}.Missed())
}

// What a hunter says is taken line by line, the last one counts; what is no tidings is an error that shows it.
func TestHuntersAreHeard(t *testing.T) {
	told := 0
	last, err := read(bufio.NewScanner(strings.NewReader(`{"seeds":3,"cpu_seconds":1}
{"seeds":4,"cpu_seconds":1.5,"done":true,"found":{"seed":4,"kind":"history"}}
`)), func(Tidings) { told++ })
	require.NoError(t, err)
	require.Equal(t, 2, told)
	require.EqualValues(t, 4, last.Found.Seed)
	_, err = read(bufio.NewScanner(strings.NewReader("panic: no\n")), func(Tidings) {})
	require.ErrorContains(t, err, "panic: no")
}
