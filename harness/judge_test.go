package harness

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
)

const second = time.Second

// told are the nemesis's events as they stand in a history.
func told(events ...nemesis.Event) []history.Event {
	var all []history.Event
	for _, e := range events {
		detail, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		all = append(all, history.Event{Process: history.NemesisProcess, Type: history.Info, F: e.Fault, Detail: detail})
	}
	return all
}

func injected(id int, fault, mode string, at time.Duration, took bool) nemesis.Event {
	return nemesis.Event{ID: id, Fault: fault, Mode: mode, Phase: nemesis.PhaseInject, Text: "somebody", Took: took, Done: at, Evidence: []string{"seen"}}
}

func healed(id int, fault, mode string, at time.Duration, took, stood bool) nemesis.Event {
	return nemesis.Event{ID: id, Fault: fault, Mode: mode, Phase: nemesis.PhaseHeal, Took: took, Stood: stood, Start: at, Done: at, Evidence: []string{"gone"}}
}

func closed(took bool, evidence ...string) nemesis.Event {
	return nemesis.Event{Fault: nemesis.Closing, Mode: "all", Phase: nemesis.PhaseHeal, Took: took, Evidence: evidence}
}

// op is an operation open from call to end; an Info is open for ever.
func op(f string, t history.Type, call, end time.Duration) history.Operation {
	if t == history.Info {
		end = history.Forever
	}
	return history.Operation{F: f, Key: "k", Type: t, Call: call, Return: end}
}

// goodHistory has operations of every kind all through 10 s, and a kill from 2 s to 4 s.
func goodHistory() *history.History {
	h := &history.History{Length: 10 * second}
	for i := range 100 {
		at := time.Duration(i) * second / 10
		h.Operations = append(h.Operations, op([]string{"get", "put", "cas"}[i%3], history.OK, at, at+second/20))
	}
	h.Nemesis = told(injected(1, "kill", "one", 2*second, true), healed(1, "kill", "one", 4*second, true, true), closed(true, "all open"))
	return h
}

// Every way in which a run may deserve less than valid.
func TestJudge(t *testing.T) {
	valid := checker.Result{Checker: "linearizable", Verdict: checker.Valid}
	asked := Findings{Workload: "register", Faults: []string{"kill"}}
	for _, test := range []struct {
		name    string
		change  func(h *history.History, f *Findings, r *checker.Result)
		verdict checker.Verdict
		reason  string
	}{
		{"all is well", func(*history.History, *Findings, *checker.Result) {}, checker.Valid, "100 operations are linearizable"},
		{"a violation", func(_ *history.History, _ *Findings, r *checker.Result) {
			r.Verdict, r.Reason = checker.Invalid, "key k: stale"
		}, checker.Invalid, "key k: stale"},
		{"a violation beats all doubts", func(h *history.History, f *Findings, r *checker.Result) {
			r.Verdict, r.Reason = checker.Invalid, "key k: stale"
			f.Problems, h.Nemesis = []string{"interrupted"}, nil
		}, checker.Invalid, "key k: stale"},
		{"undecided", func(_ *history.History, _ *Findings, r *checker.Result) {
			r.Verdict, r.Reason = checker.Unknown, "out of time"
		}, checker.Unknown, "out of time"},
		{"a checker that says nothing", func(_ *history.History, _ *Findings, r *checker.Result) { r.Verdict = "" },
			checker.Unknown, "the checker linearizable gave no verdict"},
		{"no operations", func(h *history.History, _ *Findings, _ *checker.Result) { h.Operations = nil }, checker.Unknown, "no operation succeeded"},
		{"none succeeded", func(h *history.History, _ *Findings, _ *checker.Result) { setType(h, "", history.Fail) }, checker.Unknown, "no operation succeeded"},
		{"every put failed", func(h *history.History, _ *Findings, _ *checker.Result) { setType(h, "put", history.Fail) },
			checker.Unknown, "of 33 operations put none succeeded"},
		{"every put of one of many runs failed", func(h *history.History, f *Findings, _ *checker.Result) {
			setType(h, "put", history.Fail)
			f.OneOfMany = true
		}, checker.Valid, ""},
		{"only reads in one of many runs", func(h *history.History, f *Findings, _ *checker.Result) {
			setType(h, "put", history.Fail)
			setType(h, "cas", history.Fail)
			f.OneOfMany = true
		}, checker.Unknown, "nothing was written"},
		{"only reads", func(h *history.History, _ *Findings, _ *checker.Result) {
			for i := range h.Operations {
				h.Operations[i].F = "get"
			}
		}, checker.Unknown, "nothing was written"},
		{"every write of unknown outcome", func(h *history.History, _ *Findings, _ *checker.Result) {
			setType(h, "put", history.Info)
			setType(h, "cas", history.Info)
		}, checker.Unknown, "nothing was written: no operation that changes anything succeeded; of 33 operations cas none succeeded; of 33 operations put none succeeded"},
		{"next to nothing of a kind", func(h *history.History, _ *Findings, _ *checker.Result) {
			for range 200 {
				h.Operations = append(h.Operations, op("put", history.Fail, second, second))
			}
			setType(h, "put", history.Fail)
			h.Operations[1].Type = history.OK
		}, checker.Unknown, "of 233 operations put only 1 succeeded"},
		{"no fault was injected", func(h *history.History, _ *Findings, _ *checker.Result) { h.Nemesis = told(closed(true)) },
			checker.Unknown, "no kill is known to have taken hold"},
		{"the fault did not take", func(h *history.History, _ *Findings, _ *checker.Result) {
			h.Nemesis = told(injected(1, "kill", "one", 2*second, false), closed(true))
		}, checker.Unknown, "no kill is known to have taken hold"},
		{"the fault did not stand", func(h *history.History, _ *Findings, _ *checker.Result) {
			h.Nemesis = told(injected(1, "kill", "one", 2*second, true), healed(1, "kill", "one", 4*second, true, false), closed(true))
		}, checker.Unknown, "no kill is known to have taken hold"},
		{"nobody worked under the fault", func(h *history.History, _ *Findings, _ *checker.Result) {
			h.Operations = h.Operations[:15]
		}, checker.Unknown, "no kill is known to have taken hold while operations were under way"},
		{"only what hung since before was open under the fault", func(h *history.History, _ *Findings, _ *checker.Result) {
			h.Operations = append(h.Operations[:15], op("put", history.Info, second, 0))
		}, checker.Unknown, "no kill is known to have taken hold while operations were under way"},
		{"one of two kinds asked for", func(_ *history.History, f *Findings, _ *checker.Result) { f.Faults = []string{"kill", "partition"} },
			checker.Unknown, "no partition is known"},
		{"another mode than was asked for", func(_ *history.History, f *Findings, _ *checker.Result) { f.Faults = []string{"kill:leader"} },
			checker.Unknown, "no kill leader is known"},
		{"the mode that was asked for", func(_ *history.History, f *Findings, _ *checker.Result) { f.Faults = []string{"kill:one"} },
			checker.Valid, ""},
		{"the nemesis did not come to its end", func(h *history.History, _ *Findings, _ *checker.Result) { h.Nemesis = h.Nemesis[:2] },
			checker.Unknown, "not known to have been whole after the faults: the nemesis did not come to its end"},
		{"something is left at the end", func(h *history.History, _ *Findings, _ *checker.Result) {
			h.Nemesis[2] = told(closed(false, "4 of 5 run", "something is left: n3"))[0]
		}, checker.Unknown, "not known to have been whole after the faults: something is left: n3"},
		{"a fault after the last look", func(h *history.History, _ *Findings, _ *checker.Result) {
			h.Nemesis = append(h.Nemesis, told(injected(2, "kill", "one", 9*second, true))...)
		}, checker.Unknown, "not known to have been whole"},
		{"healed late, and whole at the end", func(h *history.History, _ *Findings, _ *checker.Result) {
			h.Nemesis[1] = told(healed(1, "kill", "one", 4*second, false, true))[0]
		}, checker.Valid, ""},
		{"a node that crashed", func(_ *history.History, f *Findings, _ *checker.Result) { f.Crashes = []string{"n3 ended by itself"} },
			checker.Invalid, "n3 ended by itself"},
		{"two leaders of a term", func(_ *history.History, f *Findings, _ *checker.Result) {
			f.Leaders = []store.Leadership{{Term: 1, Node: "n1"}, {Term: 2, Node: "n1"}, {Term: 2, Node: "n3"}}
		}, checker.Invalid, "n1 and n3 both led term 2"},
		{"leaders of terms of their own", func(_ *history.History, f *Findings, _ *checker.Result) {
			f.Leaders = []store.Leadership{{Term: 1, Node: "n1"}, {Term: 2, Node: "n3"}, {Term: 4, Node: "n1"}}
		}, checker.Valid, ""},
		{"an incomplete run", func(_ *history.History, f *Findings, _ *checker.Result) {
			f.Problems = []string{"interrupted", "r0 unread"}
		},
			checker.Unknown, "interrupted; r0 unread"},
		{"no faults asked for, none injected", func(h *history.History, f *Findings, _ *checker.Result) { h.Nemesis, f.Faults = nil, nil },
			checker.Valid, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, f, r := goodHistory(), asked, valid
			test.change(h, &f, &r)
			v := Judge(h, f, r)
			require.Equal(t, test.verdict, v.Verdict, v.Reason)
			require.Contains(t, v.Reason, test.reason)
		})
	}
}

// setType gives the operations f, or all, another outcome.
func setType(h *history.History, f string, to history.Type) {
	for i := range h.Operations {
		if o := &h.Operations[i]; f == "" || o.F == f {
			o.Type = to
			if to == history.Info {
				o.Return = history.Forever
			}
		}
	}
}

func TestJudgeWarnsOfWhatDidNotHappen(t *testing.T) {
	h := goodHistory()
	h.Nemesis = append(told(injected(9, "partition", "primary", second, false)), h.Nemesis...)
	h.Nemesis = append(h.Nemesis, history.Event{Process: history.NemesisProcess, Type: history.Info, F: "kill", Detail: json.RawMessage(`{"id": "one"}`)})
	v := Judge(h, Findings{Workload: "register", Faults: []string{"kill"}}, checker.Result{Checker: "linearizable", Verdict: checker.Valid})
	require.Equal(t, checker.Valid, v.Verdict, v.Reason)
	var warnings []string
	for _, r := range v.Results {
		warnings = append(warnings, r.Warnings...)
	}
	require.Equal(t, []string{"partition primary (somebody) is not known to have taken hold and to have stood to its end",
		"1 events of the nemesis are not as ordeal writes them, and were passed over"}, warnings)
}

// A history alone is judged by the checker alone, but an empty one is no evidence.
func TestJudgeHistory(t *testing.T) {
	valid := checker.Result{Checker: "linearizable", Verdict: checker.Valid}
	require.Equal(t, checker.Unknown, JudgeHistory(&history.History{}, valid).Verdict)
	h := goodHistory()
	h.Nemesis = nil
	setType(h, "put", history.Fail)
	require.Equal(t, checker.Valid, JudgeHistory(h, valid).Verdict)
}

func TestFaultIntervals(t *testing.T) {
	h := &history.History{Length: 10 * second}
	h.Operations = []history.Operation{
		op("get", history.OK, 0, 1*second),                       // before
		op("get", history.OK, 1*second, 2500*time.Millisecond),   // into the first
		op("put", history.Info, 1*second, 0),                     // since before, never to return
		op("put", history.Info, 3*second, 0),                     // begun in the first
		op("get", history.OK, 3*second, 9*second),                // from the first beyond the second
		op("get", history.Fail, 4*second, 4500*time.Millisecond), // at the end of the first: after it
	}
	h.Nemesis = told(
		injected(1, "kill", "one", 2*second, true),
		injected(2, "partition", "one", 3*second, true),
		healed(1, "kill", "one", 4*second, true, true),
		healed(7, "kill", "one", 4*second, true, true), // of a fault that was never injected
		healed(2, "partition", "one", 5*second, false, false),
		injected(3, "kill", "all", 6*second, true),
	)
	seen := []string{"seen", "gone"}
	require.Equal(t, []store.FaultInterval{
		{ID: 1, Fault: "kill", Mode: "one", Text: "somebody", Start: 2 * second, End: 4 * second, Took: true, Healed: true, Overlaps: 3, Evidence: seen},
		{ID: 2, Fault: "partition", Mode: "one", Text: "somebody", Start: 3 * second, End: 5 * second, Overlaps: 3, Evidence: seen},
		{ID: 3, Fault: "kill", Mode: "all", Text: "somebody", Start: 6 * second, End: 10 * second, Took: true, Overlaps: 1, Evidence: seen[:1]},
	}, FaultIntervals(h))
}
