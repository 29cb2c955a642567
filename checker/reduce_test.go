package checker

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// What evidence leaves out must not make a legal history illegal: that would be evidence against nobody.
func TestLeavingOutKeepsLegalHistoriesLegal(t *testing.T) {
	t.Parallel()
	m, b := Register(), unbounded(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range some(200_000) {
		g := randomGenerator(r)
		if r.IntN(2) == 0 {
			g = repeating(r)
		}
		raw := g.legal()
		ops := fit(&m, raw)
		reduction := newReducer(context.Background(), &m, ops, 1<<30)
		var units []unit
		for _, u := range append(reduction.valueUnits(), reduction.readUnits()...) {
			if r.IntN(3) == 0 {
				units = append(units, u)
			}
		}
		part := reduction.without(units)
		require.Equal(t, Valid, decidePorcupine(b, part, machineOf(&m, part), 0), "of\n%s\nwas left\n%s", listing(ops), listing(part))
		if len(ops) > 0 {
			part = reduction.prefix(ops[r.IntN(len(ops))].Call + 2)
			require.Equal(t, Valid, decidePorcupine(b, part, machineOf(&m, part), 0), "of\n%s\nthe prefix\n%s", listing(ops), listing(part))
		}
	}
}

// Evidence is illegal by itself, comes from the history, and nothing more can be left out of it.
func TestEvidenceIsIllegalAndMinimal(t *testing.T) {
	t.Parallel()
	m, b := Register(), unbounded(t)
	r := rand.New(rand.NewPCG(3, 4))
	for found := 0; found < some(10_000); {
		g := randomGenerator(r)
		if r.IntN(2) == 0 {
			g = repeating(r)
		}
		raw := g.history()
		result := Linearizable(m).Check(context.Background(), &history.History{Operations: raw}, Options{Memory: 1 << 30})
		require.NotEqual(t, Unknown, result.Verdict)
		if result.Verdict == Valid {
			continue
		}
		found++
		k := result.Keys[0]
		require.NotEmpty(t, k.Evidence)
		require.NotEmpty(t, k.Reason)
		all, few := fit(&m, raw), fit(&m, k.Evidence)
		for _, op := range few {
			require.True(t, slices.ContainsFunc(all, func(o *history.Operation) bool { return o.Index == op.Index && o.Call == op.Call }))
		}
		require.Equal(t, Invalid, decidePorcupine(b, few, machineOf(&m, few), 0), "of\n%s\nthe evidence is\n%s", listing(all), listing(few))
		reduction := newReducer(context.Background(), &m, all, 1<<30)
		reduction.reduce()
		require.False(t, slices.ContainsFunc(reduction.recorded(), func(op *history.Operation) bool { return !slices.Contains(all, op) }))
		for _, u := range append(reduction.readUnits(), reduction.valueUnits()...) {
			part := reduction.without([]unit{u})
			if legal := decidePorcupine(b, part, machineOf(&m, part), 0) == Valid; !legal {
				require.Fail(t, "more can be left out", "of the evidence\n%s\nthis is enough\n%s", listing(reduction.ops), listing(part))
			}
		}
	}
}

// A conflict an exact checker names is illegal by itself.
func TestConflictsAreIllegal(t *testing.T) {
	t.Parallel()
	m, b := Register(), unbounded(t)
	r := rand.New(rand.NewPCG(5, 6))
	requireIllegal := func(ops []*history.Operation, numbers []int32) {
		some := numbered(ops, numbers)
		require.Equal(t, Invalid, decidePorcupine(b, some, machineOf(&m, some), 0), "of\n%s\nthe conflict is\n%s", listing(ops), listing(some))
	}
	shorter := 0
	for found := 0; found < some(100_000); {
		g := randomGenerator(r)
		if r.IntN(2) == 0 {
			g = repeating(r)
		}
		g.clients = 1 + r.IntN(3)
		ops := fit(&m, g.history())
		verdict, numbers, _ := decideFrontier(b, &m, ops, machineOf(&m, ops))
		if verdict == Valid {
			continue
		}
		found++
		requireIllegal(ops, numbers)
		if len(numbers) < len(ops) {
			shorter++
		}
		if verdict, numbers, ok := decideChains(b, ops, compileRegister(ops).(*registerMachine)); ok {
			require.Equal(t, Invalid, verdict)
			requireIllegal(ops, numbers)
		}
	}
	require.Greater(t, shorter, some(25_000), "conflicts leave out what does not matter")
}
