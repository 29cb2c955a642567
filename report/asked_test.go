package report

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// What is answered is what a look at all operations finds.
func TestOperationsThatAreAskedFor(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	run, err := store.Create(t.TempDir(), "asked", time.Now())
	require.NoError(t, err)
	require.NoError(t, run.WriteTest(store.Test{Name: "asked"}))
	w, err := history.Create(run.Path(store.HistoryFile))
	require.NoError(t, err)
	var all []history.Operation // Return is when it ended
	open := map[int]int{}
	for n := range 3000 {
		at, process := time.Duration(n)*time.Millisecond, random.IntN(8)
		key := string(rune('a' + random.IntN(3)))
		if i, ok := open[process]; ok {
			all[i].Return = at
			delete(open, process)
			w.Append(history.Event{Time: at, Process: process, Type: history.OK, F: "put", Key: all[i].Key})
			continue
		}
		open[process] = len(all)
		all = append(all, history.Operation{Process: process, Key: key, Call: at, Return: history.Forever})
		w.Append(history.Event{Time: at, Process: process, Type: history.Invoke, F: "put", Key: key, Input: history.Int(1)})
	}
	require.NoError(t, w.Close())
	for range 200 {
		a := Asked{From: time.Duration(random.IntN(3000)) * time.Millisecond, most: 1 + random.IntN(900)}
		a.To = a.From + time.Duration(random.IntN(1500))*time.Millisecond
		if random.IntN(2) == 0 {
			a.Key = "b"
		}
		var out bytes.Buffer
		require.NoError(t, Operations(context.Background(), &out, run, a))
		var got operationColumns
		require.NoError(t, json.Unmarshal(out.Bytes(), &got))
		reached := time.Duration(got.Stretches[0][1] * 1e9).Round(time.Microsecond)
		var want, took []int64
		within := 0
		for _, op := range all {
			if (a.Key == "" || op.Key == a.Key) && op.Call <= a.To && op.Return >= a.From {
				if op.Call >= a.From {
					if within++; within > a.most {
						require.Equal(t, op.Call, reached, "the answer ends where it is cut")
						break
					}
				}
				want = append(want, op.Call.Microseconds())
				if op.Return == history.Forever {
					took = append(took, -1)
				} else {
					took = append(took, (op.Return - op.Call).Microseconds())
				}
			}
		}
		if within <= a.most {
			require.Equal(t, a.To, reached)
		}
		at := int64(0)
		var calls []int64
		for _, since := range got.Call {
			at += since
			calls = append(calls, at)
		}
		require.Equal(t, want, calls, "%+v", a)
		require.ElementsMatch(t, took, got.Took, "and when they ended: %+v", a)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.Error(t, Operations(ended, &bytes.Buffer{}, run, Asked{To: time.Hour}))
}
