package harness

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// savedRun is a run on disk: a put and a get, no faults asked for.
func savedRun(t *testing.T, verdict *store.Verdict, observations ...store.Observation) *store.Run {
	run, err := store.Create(t.TempDir(), "r", time.Now())
	require.NoError(t, err)
	require.NoError(t, run.WriteTest(store.Test{Workload: "register"}))
	w, err := history.Create(run.Path(store.HistoryFile))
	require.NoError(t, err)
	w.Append(history.Event{Type: history.Invoke, F: "put", Key: "k", Input: history.Int(1)})
	w.Append(history.Event{Type: history.OK, F: "put", Key: "k"})
	require.NoError(t, w.Close())
	if verdict != nil {
		require.NoError(t, run.WriteVerdict(*verdict))
	}
	file, err := run.CreateObservations()
	require.NoError(t, err)
	for _, o := range observations {
		require.NoError(t, file.Write(o))
	}
	require.NoError(t, file.Close())
	return run
}

// left is a verdict as the harness leaves it, with its own results.
func left(results ...checker.Result) *store.Verdict {
	return &store.Verdict{Verdict: checker.Valid, Results: results}
}

func result(name string, v checker.Verdict, reason string) checker.Result {
	return checker.Result{Checker: name, Verdict: v, Reason: reason}
}

// What only the harness could see weighs as much when a run is checked again; what is lost of it is a doubt.
func TestRecheck(t *testing.T) {
	fine := []checker.Result{result(nodesChecker, checker.Valid, ""), result(runChecker, checker.Valid, "")}
	leads := func(node string) store.Observation { return store.Observation{Node: node, Role: leaderRole, Term: 3} }
	for _, test := range []struct {
		name    string
		run     *store.Run
		verdict checker.Verdict
		reason  string
	}{
		{"as it was", savedRun(t, left(fine...)), checker.Valid, "1 operation is linearizable"},
		{"interrupted", savedRun(t, left(fine[0], result(runChecker, checker.Unknown, "interrupted"))), checker.Unknown, "interrupted"},
		{"crashed", savedRun(t, left(result(nodesChecker, checker.Invalid, "n3 ended"), fine[1])), checker.Invalid, "n3 ended"},
		{"no word of the nodes", savedRun(t, left(fine[1])), checker.Unknown, `has no result "nodes"`},
		{"no word of the run", savedRun(t, left(fine[0])), checker.Unknown, `has no result "run"`},
		{"no word at all", savedRun(t, left()), checker.Unknown, `has no result "nodes"`},
		{"no verdict", savedRun(t, nil), checker.Unknown, "did not finish"},
		{"no verdict, but two leaders were seen", savedRun(t, nil, leads("n1"), leads("n2")), checker.Invalid, "n1 and n2 both led term 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, err := Recheck(t.Context(), test.run, checker.Options{})
			require.NoError(t, err)
			require.Equal(t, test.verdict, o.Verdict.Verdict, o.Verdict.Reason)
			require.Contains(t, o.Verdict.Reason, test.reason)
		})
	}
}

// What is not computed from the history stays as the run left it, whoever found it; what is, does not.
func TestRecheckKeepsWhatTheHistoryDoesNotTell(t *testing.T) {
	fine := []checker.Result{result(nodesChecker, checker.Valid, ""), result(runChecker, checker.Valid, "")}
	with := func(more ...checker.Result) *store.Verdict { return left(append(slices.Clip(fine), more...)...) }
	drawn := store.Test{Workload: "register", Cluster: "sim", Faults: []string{"swarm"}}
	broken := result(InvariantsChecker, checker.Invalid, "two configurations without a common majority")
	for _, test := range []struct {
		name    string
		test    store.Test
		left    *store.Verdict
		verdict checker.Verdict
		reason  string
		carried int
	}{
		{"replicas that differ", store.Test{Workload: "register"}, with(result(replicasChecker, checker.Invalid, "the replicas differ: k")), checker.Invalid, "the replicas differ: k", 1},
		{"replicas nobody could compare", store.Test{Workload: "register"}, with(result(replicasChecker, checker.Unknown, "no answer")), checker.Unknown, "no answer", 1},
		{"what a later version finds", store.Test{Workload: "register"}, with(result("ghosts", checker.Invalid, "a ghost")), checker.Invalid, "a ghost", 1},
		{"an invariant of the simulator", drawn, with(broken), checker.Invalid, broken.Reason, 1},
		{"a simulated run in order", drawn, with(result(InvariantsChecker, checker.Valid, "")), checker.Valid, "1 operation is linearizable", 1},
		{"a simulated run that crashed", drawn, left(result(nodesChecker, checker.Invalid, "n2 ended"), fine[1], result(InvariantsChecker, checker.Valid, "")), checker.Invalid, "n2 ended", 1},
		{"no word of the invariants", drawn, with(), checker.Unknown, `has no result "invariants"`, 0},
		{"a simulated run that owes a kill", store.Test{Workload: "register", Cluster: "sim", Faults: []string{"kill"}, Owed: []string{"kill"}}, with(result(InvariantsChecker, checker.Valid, "")), checker.Unknown, "no kill is known", 1},
		{"what the history tells", store.Test{Workload: "register"}, with(result("linearizable", checker.Invalid, "once")), checker.Valid, "1 operation is linearizable", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := savedRun(t, test.left)
			require.NoError(t, run.WriteTest(test.test))
			for range 2 { // and again from what a check gave
				o, err := Recheck(t.Context(), run, checker.Options{})
				require.NoError(t, err)
				require.Equal(t, test.verdict, o.Verdict.Verdict, o.Verdict.Reason)
				require.Contains(t, o.Verdict.Reason, test.reason)
				said := 0
				for _, r := range o.Verdict.Results {
					said += len(r.Warnings)
				}
				require.Equal(t, test.carried, said, "each says once that it is not new")
				require.NoError(t, run.WriteVerdict(o.Verdict))
			}
		})
	}
}

// A simulated run that no nemesis torments is one of many: that of one kind of operation none succeeded is a warning, as it was in the run.
func TestRecheckOfADrawnRun(t *testing.T) {
	run := savedRun(t, left(result(nodesChecker, checker.Valid, ""), result(runChecker, checker.Valid, ""), result(InvariantsChecker, checker.Valid, "")))
	require.NoError(t, run.WriteTest(store.Test{Workload: "register", Cluster: "sim", Faults: []string{"swarm"}}))
	require.NoError(t, os.Remove(run.Path(store.HistoryFile)))
	w, err := history.Create(run.Path(store.HistoryFile))
	require.NoError(t, err)
	for _, e := range []history.Event{{Type: history.Invoke, F: "put", Input: history.Int(1)}, {Type: history.OK, F: "put"}, {Type: history.Invoke, F: "get"}, {Type: history.Fail, F: "get"}} {
		e.Key = "k"
		w.Append(e)
	}
	require.NoError(t, w.Close())
	o, err := Recheck(t.Context(), run, checker.Options{})
	require.NoError(t, err)
	require.Equal(t, checker.Valid, o.Verdict.Verdict, o.Verdict.Reason)

	require.NoError(t, os.WriteFile(run.Path(store.ScheduleFile), []byte("{}"), 0o644))
	o, err = Recheck(t.Context(), run, checker.Options{})
	require.NoError(t, err)
	require.Equal(t, checker.Unknown, o.Verdict.Verdict)
	require.Contains(t, o.Verdict.Reason, "of 1 operations get none succeeded")
}

func TestRecheckOfADamagedRun(t *testing.T) {
	run := savedRun(t, left())
	require.NoError(t, os.WriteFile(run.Path(store.VerdictFile), []byte(`{"verdict": "splendid"}`), 0o644))
	o, err := Recheck(t.Context(), run, checker.Options{})
	require.NoError(t, err)
	require.Equal(t, checker.Unknown, o.Verdict.Verdict)
	require.Contains(t, o.Verdict.Reason, "splendid")

	require.NoError(t, os.WriteFile(run.Path(store.HistoryFile), []byte("{\"format\":\"ordeal-history\",\"version\":1}\nnonsense\n"), 0o644))
	_, err = Recheck(t.Context(), run, checker.Options{})
	require.ErrorContains(t, err, "line 2")

	require.NoError(t, os.Remove(run.Path(store.HistoryFile)))
	o, err = Recheck(t.Context(), run, checker.Options{})
	require.NoError(t, err)
	require.Equal(t, checker.Unknown, o.Verdict.Verdict)
	require.Contains(t, o.Verdict.Reason, "there is no history")

	require.NoError(t, run.WriteTest(store.Test{Workload: "chess"}))
	_, err = Recheck(t.Context(), run, checker.Options{})
	require.ErrorContains(t, err, `test.json: no workload "chess"`)
}
