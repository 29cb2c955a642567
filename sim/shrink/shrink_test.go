package shrink

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/sim"
)

// stale is a plan whose clients read what the node they ask happens to hold: a failure that needs no bug.
func stale(seed uint64) sim.Plan {
	p := sim.Swarm{Workload: "register", Nodes: 5}.Draw(seed)
	p.Client.Reads = wire.Stale
	return p
}

// failing records the first failing run with stale reads.
func failing(t *testing.T) Case {
	for seed := uint64(1); seed < 50; seed++ {
		c, _, err := Record(t.Context(), sim.Options{Plan: stale(seed)})
		require.NoError(t, err)
		if c.Violation.Kind == "history" && len(c.Faults) > 5 {
			return c
		}
	}
	t.Fatal("stale reads are never noticed")
	return Case{}
}

// What was recorded, by the identities of decisions, repeats the run event by event.
func TestRecordedRunsRepeatThemselves(t *testing.T) {
	faults := 0
	for seed := uint64(1); seed <= 20; seed++ {
		c, r, err := Record(t.Context(), sim.Options{Plan: sim.Swarm{Workload: "register"}.Draw(seed)})
		require.NoError(t, err)
		again, err := c.Run(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, r.Hash, again.Hash, "seed %d", seed)
		require.Equal(t, r.Record, again.Record, "seed %d", seed)
		faults += len(c.Faults)
	}
	require.Greater(t, faults, 20)
}

// A stale read shrinks to little: an operation that writes, one that reads too late, and hardly a fault. What is left shows the
// same violation, every time in the same run; without any one of its events it does not.
func TestAStaleReadShrinks(t *testing.T) {
	c := failing(t)
	told := 0
	small, runs, err := Shrink(t.Context(), c, Options{Progress: func(int, int) { told++ }})
	require.NoError(t, err)
	require.Positive(t, told)
	t.Logf("%d events of %d faults after %d runs: %s", small.Events(), len(c.Faults), runs, strings.Join(small.Steps, "; "))
	require.LessOrEqual(t, small.Events(), 8)
	require.True(t, small.Violation.Same(c.Violation))
	for range 2 {
		r, err := small.Run(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, small.Hash, HashText(r.Hash))
		require.True(t, ViolationOf(&r).Same(c.Violation))
	}
	require.Len(t, small.Steps, small.Events())
	for i := range small.Operations {
		less := small
		less.Operations = without(small.Operations, i, i+1)
		r, err := less.Run(t.Context(), nil)
		require.NoError(t, err)
		require.False(t, ViolationOf(&r).Same(c.Violation), "operation %d is not needed", i)
	}
}

// What nothing can be left out of is not the end: another run of the same plan shows the same in less.
func TestOtherRunsMaySayItInLess(t *testing.T) {
	c := failing(t)
	s := &shrinker{ctx: t.Context(), best: c, progress: func(int, int) {}}
	require.NoError(t, s.writeOut())
	before := s.best.Events()
	s.restart(c.Plan)
	require.NoError(t, s.err)
	require.Less(t, s.best.Events(), before)
	require.NotEqual(t, c.Plan.Seed, s.best.Plan.Seed)
	r, err := s.best.Run(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, ViolationOf(&r).Same(c.Violation))
}

// Clients that do not pause between two operations can leave all of them out: the run comes to its end all the same.
func TestAFailureWithoutARateShrinks(t *testing.T) {
	for seed := uint64(1); seed < 50; seed++ {
		p := stale(seed)
		p.Rate, p.Operations, p.Duration = 0, 0, p.Node.ElectionTimeout*4
		c, _, err := Record(t.Context(), sim.Options{Plan: p})
		require.NoError(t, err)
		if c.Violation.Kind != "history" {
			continue
		}
		small, _, err := Shrink(t.Context(), c, Options{})
		require.NoError(t, err)
		require.LessOrEqual(t, small.Events(), 20)
		return
	}
	t.Fatal("stale reads are never noticed")
}

// Time that is over before anything was tried is told; over later, what there is is given.
func TestShrinkHeedsItsBudget(t *testing.T) {
	c := failing(t)
	_, _, err := Shrink(t.Context(), c, Options{Budget: 1})
	require.ErrorIs(t, err, ErrBudget)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = Shrink(ctx, c, Options{})
	require.ErrorIs(t, err, context.Canceled)
}

// A case that does not show what it is said to is not shrunk to something else.
func TestOnlyTheSameViolationCounts(t *testing.T) {
	c := failing(t)
	c.Violation = Violation{Kind: "invariant", Name: "election safety"}
	_, _, err := Shrink(t.Context(), c, Options{})
	require.ErrorContains(t, err, `the run does not show "invariant: election safety": it shows "history: linearizable"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = Shrink(ctx, failing(t), Options{})
	require.ErrorIs(t, err, context.Canceled)
}

// What is left after the budget shows the violation all the same.
func TestShrinkingStopsInTime(t *testing.T) {
	c := failing(t)
	small, _, err := Shrink(t.Context(), c, Options{Budget: 20 * time.Millisecond})
	if err != nil { // the budget did not suffice to run it once
		require.ErrorIs(t, err, ErrBudget)
		return
	}
	require.True(t, small.Violation.Same(c.Violation))
}

// The nodes after one that is left out move up, in faults and in what the plan injects.
func TestWithoutANode(t *testing.T) {
	c := Case{Plan: sim.Plan{Nodes: 4, Injections: []sim.Injection{
		{ID: 1, Fault: sim.FaultKill, Nodes: []int{2, 3}},
		{ID: 2, Fault: sim.FaultPartition, Links: [][2]int{{1, 2}, {3, 4}}},
		{ID: 3, Fault: sim.FaultKill, Nodes: []int{2}},
		{ID: 4, Fault: sim.FaultKill},
	}}, Faults: []Fault{
		{Kind: sim.LoseMessage, From: 1, To: 2, Seq: 1, Outcome: 1}, {Kind: sim.LoseMessage, From: 3, To: 4, Seq: 7, Outcome: 1},
		{Kind: sim.LosePower, From: 4, Seq: 1, Outcome: 1}, {Kind: sim.LosePower, From: 2, Seq: 1, Outcome: 1},
		{Kind: sim.BreakConnection, From: 2, To: 3, Seq: 1, Outcome: 1},
		{Kind: sim.Inject, Seq: 1, Outcome: 1}, {Kind: sim.Inject, Seq: 2, Outcome: 1}, {Kind: sim.Inject, Seq: 3, Outcome: 1}, {Kind: sim.Inject, Seq: 4, Outcome: 1},
	}}
	less := c.without(2)
	require.Equal(t, 3, less.Plan.Nodes)
	require.Equal(t, []Fault{
		{Kind: sim.LoseMessage, From: 2, To: 3, Seq: 7, Outcome: 1}, {Kind: sim.LosePower, From: 3, Seq: 1, Outcome: 1},
		{Kind: sim.BreakConnection, From: 2, To: 2, Seq: 1, Outcome: 1},
		{Kind: sim.Inject, Seq: 1, Outcome: 1}, {Kind: sim.Inject, Seq: 2, Outcome: 1}, {Kind: sim.Inject, Seq: 4, Outcome: 1},
	}, less.Faults)
	require.Equal(t, []int{2}, less.Plan.Injections[0].Nodes)
	require.Equal(t, [][2]int{{2, 3}}, less.Plan.Injections[1].Links)
	require.Equal(t, []int{2, 3}, c.Plan.Injections[0].Nodes, "the case itself is as it was")
}

// The drawing has every message that arrived between the lines of its sending and its arrival, and marks the evidence.
func TestSequenceOfARun(t *testing.T) {
	c := failing(t)
	delivered := 0
	told, _, err := c.Tell(t.Context())
	require.NoError(t, err)
	for _, e := range told.events {
		if e.Kind == sim.MessageDelivered {
			delivered++
		}
	}
	s := told.Sequence("case.json")
	arrows, marked := 0, 0
	for i, e := range s.Events {
		if e.Kind == report.SequenceMessage {
			arrows++
			require.Equal(t, report.SequenceArrival, s.Events[e.Until].Kind)
			require.Equal(t, e.To, s.Events[e.Until].Lane)
			require.Greater(t, e.Until, i)
		}
		if e.Kind == report.SequenceOperation && e.Marked {
			marked++
		}
		require.True(t, i == 0 || e.At >= s.Events[i-1].At)
	}
	repeated := 0
	for _, e := range s.Events {
		if e.Kind == report.SequenceNote && strings.HasSuffix(e.Label, " again") {
			repeated++
		}
	}
	require.Equal(t, delivered, arrows+repeated)
	require.GreaterOrEqual(t, marked, 2)
	require.Len(t, s.Nodes, 5)
	var page strings.Builder
	require.NoError(t, report.WriteSequence(&page, s))
}

// A file holds all of a case; one that was touched is refused with the place.
func TestCaseFiles(t *testing.T) {
	c := failing(t)
	b, err := c.Encode()
	require.NoError(t, err)
	back, err := Decode("case.json", b)
	require.NoError(t, err)
	require.Equal(t, c, back)
	for _, bad := range []struct{ old, new, problem string }{
		{`"format": 1`, `"format": 9`, "case.json: it has format 9, and this program reads format 1"},
		{`"format": 1,`, "", "case.json: it has no format, so that it is not what `ordeal shrink` writes"},
		{`"nodes": 5`, `"nodes": 5, "planets": 9`, `case.json: json: unknown field "planets": another version wrote it`},
		{`"nodes": 5`, `"nodes": 0`, "case.json: plan: "},
		{`"kind": "history"`, `"kind": "mystery"`, `violation: kind "mystery"`},
		{`"hash": "` + c.Hash, `"hash": "zz`, "hash"},
		{`"seed": `, `"seed": -`, "case.json"},
		{`"outcome"`, `"kind": "jitter", "outcome"`, "faults[0]: jitter is no fault"},
	} {
		text := strings.Replace(string(b), bad.old, bad.new, 1)
		require.NotEqual(t, string(b), text, bad.old)
		_, err := Decode("case.json", []byte(text))
		require.ErrorContains(t, err, bad.problem)
	}
}

// Whatever a file holds, it is refused or can be written again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format":1,"plan":{"seed":1,"nodes":3,"workload":"register","workers":2,"duration_ns":1000,"timeout_ns":1000,` +
		`"node":{"heartbeat_ns":10,"election_timeout_ns":100}},"faults":[{"kind":"lose-message","from":1,"to":2,"seq":3,"outcome":1}],` +
		`"operations":[{"worker":1,"seq":2}],"violation":{"kind":"liveness"},"hash":"00ff"}`))
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode("f", b)
		if err != nil {
			return
		}
		again, err := c.Encode()
		require.NoError(t, err)
		back, err := Decode("f", again)
		require.NoError(t, err)
		twice, err := back.Encode()
		require.NoError(t, err)
		require.Equal(t, string(again), string(twice))
	})
}
