package checker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// besideShapes are histories porcupine is quick with: small keys, few clients each, as the generators make them.
var besideShapes = []struct{ keys, operations, clients int }{
	{1, 100, 3}, {1, 400, 5}, {10, 400, 5}, {70, 400, 5}, {250, 400, 5}, {1000, 50, 3}, {10, 2000, 3},
}

// besideHistory is keys of the shape, one after another.
func besideHistory(keys, operations, clients int) *history.History {
	h := &history.History{}
	for k := range keys {
		var events []history.Event
		shape{operations: operations, keys: 1, clients: clients, seed: uint64(k)}.record(func(e history.Event) { events = append(events, e) })
		ops, err := history.Operations(events)
		if err != nil {
			panic(err)
		}
		for i := range ops {
			ops[i].Key = fmt.Sprintf("k%04d", k)
		}
		h.Operations = append(h.Operations, ops...)
	}
	return h
}

// BenchmarkBeside asks both about the same history in turn, so that what else the machine does meets both alike, and tells
// the ratio of the middle times; make bench-checker prints it.
func BenchmarkBeside(b *testing.B) {
	for _, s := range besideShapes {
		b.Run(fmt.Sprintf("%dkeys/%dclients/%d", s.keys, s.clients, s.operations), func(b *testing.B) {
			h := besideHistory(s.keys, s.operations, s.clients)
			ours, alone := func() {
				r := Linearizable(Register()).Check(context.Background(), h, Options{})
				require.Equal(b, Valid, r.Verdict, r.Reason)
			}, func() {
				require.Equal(b, porcupine.Ok, porcupine.CheckOperationsTimeout(aloneModel(), aloneOperations(h.Operations), time.Minute))
			}
			rounds := max(20, 200_000/len(h.Operations))
			var a, p time.Duration
			for b.Loop() {
				a, p = inTurn(rounds, ours, alone)
			}
			b.ReportMetric(float64(a.Microseconds()), "µs")
			b.ReportMetric(float64(p.Microseconds()), "µs-alone")
			b.ReportMetric(float64(a)/float64(p), "ratio")
		})
	}
}

// inTurn runs both so many times, one after the other, and returns the median time of each.
func inTurn(rounds int, a, b func()) (ofA, ofB time.Duration) {
	times := [2][]time.Duration{}
	for range rounds {
		for i, f := range []func(){a, b} {
			start := time.Now()
			f()
			times[i] = append(times[i], time.Since(start))
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	return times[0][rounds/2], times[1][rounds/2]
}
