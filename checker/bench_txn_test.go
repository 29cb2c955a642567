package checker

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// recordTransactions writes a strictly serializable history of list-append, or of rw-register: 20 clients, one to four steps a transaction,
// ten keys at a time, each retired after 32 writes.
func recordTransactions(b testing.TB, n int, ofLists bool) string {
	path := filepath.Join(b.TempDir(), "history.jsonl")
	w, err := history.Create(path)
	require.NoError(b, err)
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([]int64, 10)
	lists := make(map[int64][]history.Value)
	for k := range keys {
		keys[k] = int64(k)
	}
	nextKey := int64(len(keys))
	type client struct {
		in []history.Value
	}
	clients := make([]client, 20)
	appendName, readName := history.String("append"), history.String("r")
	if !ofLists {
		appendName = history.String("w")
	}
	var value int64
	for invoked, open := 0, 0; invoked < n || open > 0; {
		p := r.IntN(len(clients))
		c := &clients[p]
		now := time.Duration(w.Len()) * 1000
		switch {
		case c.in == nil && invoked < n:
			invoked++
			open++
			for range 1 + r.IntN(4) {
				key := history.Int(keys[r.IntN(len(keys))])
				if r.IntN(2) == 0 {
					c.in = append(c.in, history.List(readName, key, history.Nil))
				} else {
					value++
					c.in = append(c.in, history.List(appendName, key, history.Int(value)))
				}
			}
			w.Append(history.Event{Time: now, Process: p, Type: history.Invoke, F: "txn", Input: history.List(c.in...)})
		case c.in != nil:
			open--
			var out []history.Value
			for _, s := range c.in {
				parts, _ := s.AsList()
				key, _ := parts[1].AsInt()
				list := lists[key]
				if name, _ := parts[0].AsString(); name == "r" {
					saw := history.List(list...)
					if n := len(list); !ofLists && n == 0 {
						saw = history.Nil
					} else if !ofLists {
						saw = list[n-1]
					}
					s = history.List(readName, parts[1], saw)
				} else {
					lists[key] = append(list[:len(list):len(list)], parts[2])
				}
				out = append(out, s)
			}
			for k, key := range keys {
				if len(lists[key]) >= 32 {
					keys[k] = nextKey
					nextKey++
				}
			}
			w.Append(history.Event{Time: now, Process: p, Type: history.OK, F: "txn", Output: history.List(out...)})
			*c = client{}
		}
	}
	require.NoError(b, w.Close())
	return path
}

func BenchmarkListAppend(b *testing.B) { benchmarkTransactions(b, true) }

func BenchmarkRWRegister(b *testing.B) { benchmarkTransactions(b, false) }

func benchmarkTransactions(b *testing.B, ofLists bool) {
	path := recordTransactions(b, *benchOperations, ofLists)
	var top uint64
	for b.Loop() {
		top = peak(func() {
			h, err := history.Load(path)
			require.NoError(b, err)
			c, err := newTransactions(StrictSerializable, ofLists)
			require.NoError(b, err)
			r := c.Check(context.Background(), h, Options{})
			require.Equal(b, Valid, r.Verdict, "%s", r.Reason)
			b.Log(r.Warnings)
		})
	}
	b.ReportMetric(float64(top)/1e6, "peak-MB")
}
