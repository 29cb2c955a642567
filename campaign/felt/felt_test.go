package felt_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign/felt"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

// clients send an operation every ten milliseconds, which takes a millisecond, but for those invoked from..to, which take until back.
func clients(length, from, to, back time.Duration) *history.History {
	h := &history.History{Length: length + sec}
	for t := time.Duration(0); t < length+500*ms; t += 10 * ms { // the last half second are last reads
		op := history.Operation{F: "get", Call: t, Return: t + ms, Type: history.OK}
		if from <= t && t < to {
			op.Return = back
		}
		h.Operations = append(h.Operations, op)
	}
	return h
}

func TestAPartitionThatNobodyIsServedUnder(t *testing.T) {
	h := clients(10*sec, 2*sec, 4*sec, 4500*ms)
	faults := []store.FaultInterval{{ID: 1, Fault: "partition", Start: 2 * sec, End: 4 * sec, Took: true},
		{ID: 2, Fault: "kill", Start: 3 * sec, End: 3500 * ms, Took: true}, {ID: 3, Fault: "leader", Start: 6 * sec, End: 6 * sec, Took: true}}
	seen := []store.Observation{{Time: 0, Node: "n1", Role: "leader", Term: 1}, {Time: 0, Node: "n2", Role: "follower", Term: 1},
		{Time: 2200 * ms, Node: "n1", Role: "follower", Term: 1}, {Time: 2300 * ms, Node: "n2", Role: "candidate", Term: 2},
		{Time: 2500 * ms, Node: "n1", Role: "leader", Term: 1}, // of an old term: it does not count
		{Time: 2700 * ms, Node: "n2", Role: "leader", Term: 2}, {Time: 8 * sec, Node: "n2", Role: "down"}, {Time: 9 * sec, Node: "n1", Role: "leader", Term: 3}}
	f := felt.Measure(h, faults, seen, 10*sec)
	require.NoError(t, f.Check())
	require.Equal(t, []felt.Phase{
		{Name: "calm", Length: 8 * sec, Counts: store.Counts{OK: 800}, P50: ms, P99: ms, Max: ms},
		{Name: "kill+partition", Length: 500 * ms, Counts: store.Counts{OK: 50}, P50: 1250 * ms, P99: 1500 * ms, Max: 1500 * ms},
		{Name: "partition", Length: 1500 * ms, Counts: store.Counts{OK: 150}, P50: 1750 * ms, P99: 2490 * ms, Max: 2500 * ms},
	}, f.Phases)
	require.Equal(t, 500*ms+sec, f.Leaderless)
	require.Equal(t, 10*sec, f.Observed)
	require.Equal(t, []felt.Recovery{{Fault: "partition", Took: 1 * ms}}, f.Recoveries, "operations of after the heal are served at once")
}

// Clients that hang on after a heal have not recovered: the time is until answers come as before.
func TestRecoveryIsUntilClientsAreServedAsBefore(t *testing.T) {
	h := clients(10*sec, 2*sec, 4700*ms, 5200*ms)
	h.Operations = append(h.Operations, history.Operation{F: "get", Call: 3900 * ms, Return: 4300 * ms, Type: history.OK}) // one answer is not service
	f := felt.Measure(h, []store.FaultInterval{{Fault: "partition", Start: 2 * sec, End: 4 * sec}}, nil, 10*sec)
	require.Equal(t, []felt.Recovery{{Fault: "partition", Took: 701 * ms}}, f.Recoveries)

	cut := felt.Measure(h, []store.FaultInterval{{Fault: "partition", Start: 2 * sec, End: 4 * sec}, {Fault: "kill", Start: 4500 * ms, End: 5 * sec}}, nil, 10*sec)
	require.Equal(t, felt.Recovery{Fault: "partition", Took: 500 * ms, Cut: true}, cut.Recoveries[0], "the next fault came before")
}

func TestNothingToMeasure(t *testing.T) {
	require.Nil(t, felt.Measure(&history.History{}, nil, nil, sec))
	var none *felt.Run
	require.NoError(t, none.Check())
	require.Error(t, (&felt.Run{Phases: []felt.Phase{{Name: ""}}}).Check())
	require.Error(t, (&felt.Run{Leaderless: 2, Observed: 1}).Check())
}
