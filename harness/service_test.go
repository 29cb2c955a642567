package harness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/workloads"
)

// story is a history with operations of a put every 100 ms over some seconds; in the gaps none succeeds.
func story(seconds int, gaps ...span) *history.History {
	h := &history.History{Length: time.Duration(seconds) * second}
	for at := time.Duration(0); at < h.Length; at += second / 10 {
		o := op("put", history.OK, at, at+second/50)
		for _, g := range gaps {
			if g.has(at) {
				o = op("put", history.Fail, at, at+second/20)
			}
		}
		h.Operations = append(h.Operations, o)
	}
	return h
}

// fault is an injection from one moment and its heal at another.
func fault(id int, name string, from, to time.Duration, impact nemesis.Impact) []nemesis.Event {
	return []nemesis.Event{
		{ID: id, Fault: name, Phase: nemesis.PhaseInject, Took: true, Start: from, Done: from + second/10, End: from + second/5, Impact: &impact},
		{ID: id, Fault: name, Phase: nemesis.PhaseHeal, Took: true, Stood: true, Start: to, Done: to + second/10, End: to + second/5},
	}
}

// returning is a change of members that is taken back from 4 s to 15 s, and so the configuration may be joint in between.
func returning(out []string) []nemesis.Event {
	change := fault(1, "membership", second, 4*second, nemesis.Impact{Out: out})
	change[1].Done, change[1].End = 15*second, 15*second
	return change
}

var fiveNodes = []string{"n1", "n2", "n3", "n4", "n5"}

func down(n int) nemesis.Impact { return nemesis.Impact{Down: fiveNodes[:n]} }

// When service is due, and when it is not.
func TestService(t *testing.T) {
	partition := nemesis.Impact{Cut: nemesis.Split(fiveNodes[:2], fiveNodes[2:]).Links}
	for _, test := range []struct {
		name    string
		history *history.History
		events  [][]nemesis.Event
		reason  string
	}{
		{"served all the time", story(20), nil, ""},
		{"a short gap", story(20, span{5 * second, 6 * second}), nil, ""},
		{"a long gap", story(20, span{5 * second, 10 * second}), nil, "nothing was served for 5.02s from 4.92s on, while a majority was alive and connected; the bound is 2s"},
		{"a minority down", story(20, span{5 * second, 10 * second}), [][]nemesis.Event{fault(1, "kill", 5*second, 10*second, down(2))},
			"nothing was served for 4.82s from 5.2s on"},
		{"a majority down", story(20, span{5 * second, 10 * second}), [][]nemesis.Event{fault(1, "kill", 5*second, 10*second, down(3))}, ""},
		{"and not served after", story(20, span{5 * second, 15 * second}), [][]nemesis.Event{fault(1, "kill", 5*second, 10*second, down(3))},
			"nothing was served for 4.82s from 10.2s on"},
		{"a heal does not start the clock anew", story(20, span{5 * second, 9 * second}), [][]nemesis.Event{fault(1, "kill", 5*second, 7*second, down(2))},
			"from 5.2s on"},
		{"an injection does", story(20, span{5 * second, 9 * second}), [][]nemesis.Event{fault(1, "kill", 5*second, 7*second, down(2)), fault(2, "kill", 7*second, 9*second, down(1))}, ""},
		{"two minorities are a majority", story(20, span{5 * second, 10 * second}),
			[][]nemesis.Event{fault(1, "kill", 4*second, 11*second, down(1)), fault(2, "partition", 5*second, 10*second, nemesis.Impact{Cut: nemesis.Split(fiveNodes[1:3], fiveNodes[3:]).Links})}, ""},
		{"a partition with a majority", story(20, span{5 * second, 10 * second}), [][]nemesis.Event{fault(1, "partition", 5*second, 10*second, partition)},
			"nothing was served for 4.82s from 5.2s on"},
		{"a vague fault", story(20, span{5 * second, 10 * second}), [][]nemesis.Event{fault(1, "packet", 5*second, 10*second, nemesis.Impact{Vague: true})}, ""},
		{"three of four voters left", story(20, span{5 * second, 10 * second}),
			[][]nemesis.Event{fault(1, "membership", 4*second, 11*second, nemesis.Impact{Out: fiveNodes[4:]}), fault(2, "kill", 5*second, 10*second, down(1))},
			"from 5.2s on"},
		{"two of four voters left", story(20, span{5 * second, 10 * second}),
			[][]nemesis.Event{fault(1, "membership", 4*second, 11*second, nemesis.Impact{Out: fiveNodes[4:]}), fault(2, "kill", 5*second, 10*second, down(2))}, ""},
		{"voters come and go", story(20, span{5 * second, 10 * second}),
			[][]nemesis.Event{{{ID: 2, Fault: "membership", Phase: nemesis.PhaseInject, Took: true, Start: 5 * second, Done: 12 * second, End: 12 * second,
				Impact: &nemesis.Impact{Out: fiveNodes[4:]}}}}, ""},
		{"joint, with both majorities", story(20, span{5 * second, 10 * second}), [][]nemesis.Event{returning(fiveNodes[4:]), fault(2, "kill", 5*second, 10*second, down(1))},
			"nothing was served for 4.82s from 5.2s on"},
		{"joint, without one of the voters there were", story(20, span{5 * second, 10 * second}),
			[][]nemesis.Event{returning(fiveNodes[4:]), fault(2, "kill", 5*second, 10*second, down(2))}, ""},
		{"joint, without one of the voters there will be", story(20, span{5 * second, 10 * second}),
			[][]nemesis.Event{returning(fiveNodes[3:]), fault(2, "kill", 5*second, 10*second, nemesis.Impact{Down: fiveNodes[2:]})}, ""},
		{"the harness stood still", story(20, span{5 * second, 10 * second}), [][]nemesis.Event{{{ID: -1, Fault: Stall, Phase: nemesis.PhaseTurn, Start: 5 * second, End: 9500 * second / 1000}}}, ""},
		{"nobody tried", &history.History{Length: 20 * second, Operations: []history.Operation{op("put", history.OK, 1, 2), op("put", history.OK, 19*second, 20*second)}}, nil, ""},
		{"after what nobody survives", story(20, span{5 * second, 20 * second}), [][]nemesis.Event{{{ID: 1, Fault: "disk", Phase: nemesis.PhaseInject, Took: true, Beyond: true, Start: 5 * second}}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var events []nemesis.Event
			for _, f := range test.events {
				events = append(events, f...)
			}
			test.history.Nemesis = told(events...)
			r := judgeService(test.history, Findings{Workload: "register", Nodes: fiveNodes, ServiceBound: 2 * second, OperationTimeout: second})
			if test.reason == "" {
				require.Equal(t, checker.Valid, r.Verdict, r.Reason)
				return
			}
			require.Equal(t, checker.Invalid, r.Verdict)
			require.Contains(t, r.Reason, test.reason)
		})
	}
}

// Without a majority nothing changes.
func TestConfirmedWithoutQuorum(t *testing.T) {
	judge := func(o history.Operation, events ...nemesis.Event) checker.Result {
		h := story(20, span{5 * second, 10 * second})
		h.Operations = append(h.Operations, o)
		h.Nemesis = told(events...)
		return judgeService(h, Findings{Workload: "register", Nodes: fiveNodes, ServiceBound: time.Hour, OperationTimeout: second})
	}
	majority := fault(1, "kill", 5*second, 10*second, down(3))
	r := judge(op("put", history.OK, 6*second, 7*second), majority...)
	require.Equal(t, checker.Invalid, r.Verdict)
	require.Contains(t, r.Reason, "confirmed though no voter could reach a majority: put k by process 0 at 6s")

	r = judge(op("get", history.OK, 6*second, 7*second), majority...)
	require.Equal(t, checker.Valid, r.Verdict)
	require.Equal(t, []string{"answered though no voter could reach a majority, perhaps by a lease: get k by process 0 at 6s"}, r.Warnings)

	r = judge(op(checker.StaleRead, history.OK, 6*second, 7*second), majority...)
	require.Equal(t, checker.Valid, r.Verdict, "any replica answers that by itself")
	require.Empty(t, r.Warnings)

	unsure := fault(1, "kill", 5*second, 10*second, down(3))
	unsure[1].Stood = false
	joint := fault(2, "membership", 4*second, 11*second, nemesis.Impact{Out: fiveNodes[:2]})
	joint[0].End = 9 * second
	for name, r := range map[string]checker.Result{
		"invoked before":                  judge(op("put", history.OK, 5*second, 7*second), majority...),
		"confirmed after":                 judge(op("put", history.OK, 9*second, 10100*second/1000), majority...),
		"with a minority down":            judge(op("put", history.OK, 6*second, 7*second), fault(1, "kill", 5*second, 10*second, down(2))...),
		"the fault is not sure":           judge(op("put", history.OK, 6*second, 7*second), unsure...),
		"refused":                         judge(op("put", history.Fail, 6*second, 7*second), majority...),
		"nobody knows the configuration":  judge(op("put", history.OK, 6*second, 7*second), append(majority, joint...)...),
		"over a change of what is broken": judge(op("put", history.OK, 6*second, 9*second), append(majority, fault(2, "pause", 7*second, 8*second, down(1))...)...),
	} {
		require.Equal(t, checker.Valid, r.Verdict, name)
	}
}

func TestUnserved(t *testing.T) {
	f := Findings{Workload: "register", Nodes: fiveNodes, ServiceBound: 2 * second, OperationTimeout: second, Unserved: "the cluster did not serve within 30s"}
	require.Equal(t, checker.Invalid, judgeService(story(20), f).Verdict)
	busy := story(20)
	busy.Nemesis = told(nemesis.Event{ID: -1, Fault: Stall, Phase: nemesis.PhaseTurn, Start: 10 * second, End: 11 * second}, closed(true))
	require.Equal(t, checker.Invalid, judgeService(busy, f).Verdict, "a twentieth of the time")
	busy.Nemesis = append(told(nemesis.Event{ID: -1, Fault: Stall, Phase: nemesis.PhaseTurn, Start: 12 * second, End: 14 * second}), busy.Nemesis...)
	require.Equal(t, checker.Valid, judgeService(busy, f).Verdict, "nobody can tell: the harness was starved, and the run is unknown for its other reasons")
	f.ServiceBound = 0
	require.Equal(t, checker.Valid, judgeService(story(20), f).Verdict)
}

// What is lost after a majority's disks are is no finding. What was wrong before is.
func TestBeyond(t *testing.T) {
	stale := func(at time.Duration) *history.History {
		h := story(20)
		h.Operations = nil
		write := op("put", history.OK, 0, second)
		write.Input = history.Int(1)
		read := op("get", history.OK, at, at+second)
		h.Operations = []history.Operation{write, read}
		h.Nemesis = told(nemesis.Event{ID: 1, Fault: "disk", Mode: "lose-majority", Phase: nemesis.PhaseInject, Took: true, Beyond: true, Start: 10 * second},
			healed(1, "disk", "lose-majority", 12*second, true, true), closed(true))
		return h
	}
	judgeAll := func(h *history.History) []checker.Result {
		c, err := workloads.CheckersFor("register")
		require.NoError(t, err)
		return CheckAll(t.Context(), h, c, checker.Options{})
	}
	judge := func(h *history.History) checker.Result { return judgeAll(h)[0] }
	r := judge(stale(13 * second))
	require.Equal(t, checker.Unknown, r.Verdict)
	require.Contains(t, r.Reason, "data was lost, as was to be expected: disk lose-majority at 10s is more than a replicated log can survive (after it: ")
	require.Equal(t, checker.Invalid, judge(stale(3*second)).Verdict)
	h := stale(13 * second)
	h.Operations = h.Operations[:1]
	r = judge(h)
	require.Equal(t, checker.Valid, r.Verdict)
	require.Contains(t, r.Warnings[0], "data may be lost from there on, and none was seen to be")
	again := nemesis.Event{ID: 2, Fault: "disk", Mode: "truncate", Phase: nemesis.PhaseInject, Took: true, Beyond: true, Start: 14 * second}
	h.Nemesis = append(h.Nemesis, told(again)...)
	results, warnings := judgeAll(h), []string(nil)
	require.Greater(t, len(results), 1)
	for _, r := range results {
		require.Equal(t, checker.Valid, r.Verdict)
		warnings = append(warnings, r.Warnings...)
	}
	require.Equal(t, []string{"disk lose-majority at 10s is more than a replicated log can survive: data may be lost from there on, and none was seen to be"}, warnings,
		"said once, of the first such fault, whatever the number of checkers")
}
