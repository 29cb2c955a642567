package harness

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// The evidence of an invalid run is a history of its own, which is invalid for the same reason, and a valid run has none.
func TestEvidenceIsAHistoryOfItsOwn(t *testing.T) {
	var mu sync.Mutex
	wrote := map[string]bool{}
	stale := func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
		mu.Lock()
		defer mu.Unlock()
		if op.F == "put" {
			wrote[op.Key] = true
		}
		return systems.Completion{Type: history.OK, Node: "n1"}, op.F == "get" && wrote[op.Key]
	}
	for _, script := range []func(context.Context, workloads.Operation) (systems.Completion, bool){nil, stale} {
		test := memoryTest(t, &memoryStore{script: script}, "")
		test.Duration = time.Second
		out, err := Run(t.Context(), test, newMemoryCluster(t, 3))
		require.NoError(t, err)
		path := out.Run.Path(store.EvidenceFile)
		if script == nil {
			require.Equal(t, checker.Valid, out.Verdict.Verdict, out.Verdict.Reason)
			require.NoFileExists(t, path)
			continue
		}
		require.Equal(t, checker.Invalid, out.Verdict.Verdict, out.Verdict.Reason)
		h, err := history.Load(path)
		require.NoError(t, err)
		again := checker.Linearizable(workloads.RegisterModel()).Check(t.Context(), h, checker.Options{})
		require.Equal(t, checker.Invalid, again.Verdict)
		var first checker.KeyResult
		for _, r := range out.Verdict.Results {
			if len(r.Keys) > 0 && first.Key == "" {
				first = r.Keys[0]
			}
		}
		require.Equal(t, first.Key, again.Keys[0].Key)
		require.Equal(t, first.Reason, again.Keys[0].Reason)
	}
}

// Of transactions there are those of the anomalies that are not allowed, and nothing else.
func TestEvidenceOfTransactions(t *testing.T) {
	op := func(index int, key string) history.Operation {
		return history.Operation{Index: index, F: "txn", Key: key, Type: history.OK, Call: time.Duration(index), Return: time.Duration(index + 1)}
	}
	h := &history.History{Operations: []history.Operation{op(0, "a0"), op(2, "a1"), op(4, "a0")}}
	found := []checker.Result{{Verdict: checker.Invalid, Anomalies: []checker.Anomaly{{Operations: []history.Operation{op(4, "a0")}},
		{Tolerated: true, Operations: []history.Operation{op(2, "a1")}}}}}
	require.Equal(t, []history.Operation{op(4, "a0")}, evidenceOf(h, found))
	found[0].Verdict = checker.Valid
	require.Empty(t, evidenceOf(h, found))
}
