package checker

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// The benchmarks print what a check costs beside porcupine alone, in one run on one machine:
//
//	make bench-checker
//
// Each line has the time, the most heap in use while it ran, and below it what decided. The figures are those of a check as
// users run it, with porcupine's confirmation where it can afford one; -unconfirmed leaves that out, to see what it costs.
// -operations sets the length of the long histories.
var (
	benchOperations  = flag.Int("operations", 1_000_000, "operations of the long benchmarks")
	benchUnconfirmed = flag.Bool("unconfirmed", false, "benchmarks without porcupine's confirmation")
)

// shape is a history of registers as a correct system gives it: half gets, four tenths puts, a tenth compare-and-sets.
type shape struct {
	operations, keys, clients int
	crashed                   int    // writes that crash and take effect a hundred operations later
	stale                     bool   // the last read is stale
	seed                      uint64 // of the random choices
	values                    int    // as many different ones; 0: each is written once
}

func (s shape) String() string {
	text := fmt.Sprintf("%dkeys/%dclients/%d", s.keys, s.clients, s.operations)
	if s.crashed > 0 {
		text += fmt.Sprintf("/%dcrashed", s.crashed)
	}
	if s.stale {
		text += "/stale"
	}
	if s.values > 0 {
		text += fmt.Sprintf("/%dvalues", s.values)
	}
	return text
}

// record makes the history's events in order; the clock counts events.
func (s shape) record(add func(history.Event)) {
	r := rand.New(rand.NewPCG(1+s.seed, uint64(s.operations)))
	values := make([]int64, s.keys) // 0: nil
	written := make([][]int64, s.keys)
	type client struct {
		process int
		key     int
		f       string
		in      history.Value
		old     int64
		new     int64
		out     history.Value
		stage   int // 0: idle, 1: open, 2: took effect
		crash   bool
	}
	clients := make([]client, s.clients)
	for i := range clients {
		clients[i].process = i
	}
	names := make([]string, s.keys)
	for i := range names {
		names[i] = "k" + strconv.Itoa(i)
	}
	type late struct{ key, at, new int }
	var lates []late
	now, invoked, next, processes := 0, 0, int64(0), s.clients
	event := func(c *client, t history.Type, in, out history.Value) {
		now++
		add(history.Event{Index: now - 1, Time: time.Duration(now) * 1000, Process: c.process, Type: t, F: c.f, Key: names[c.key], Input: in, Output: out})
	}
	every := 0
	if s.crashed > 0 {
		every = s.operations / (s.crashed + 1)
	}
	for open := 0; invoked < s.operations || open > 0; {
		for len(lates) > 0 && lates[0].at <= invoked {
			values[lates[0].key] = int64(lates[0].new)
			lates = lates[1:]
		}
		c := &clients[r.IntN(len(clients))]
		switch c.stage {
		case 0:
			if invoked == s.operations {
				continue
			}
			invoked++
			open++
			*c = client{process: c.process, key: r.IntN(s.keys), stage: 1}
			if next++; s.values > 0 {
				next = 1 + r.Int64N(int64(s.values))
			}
			c.new = next
			switch k := r.IntN(10); {
			case every > 0 && invoked%every == 0:
				c.crash = true
				fallthrough
			case k < 4:
				c.f, c.in = "put", history.Int(c.new)
			case k == 4:
				c.f, c.old = "cas", values[c.key]
				if n := len(written[c.key]); n > 0 && r.IntN(2) == 0 {
					c.old = written[c.key][r.IntN(n)]
				}
				c.in = history.List(valueOrNil(c.old), history.Int(c.new))
			default:
				c.f = "get"
			}
			event(c, history.Invoke, c.in, history.Nil)
		case 1:
			c.stage = 2
			switch {
			case c.crash:
				lates = append(lates, late{c.key, invoked + 100, int(c.new)})
			case c.f == "put":
				values[c.key] = c.new
			case c.f == "get":
				c.out = valueOrNil(values[c.key])
			default:
				c.out = valueOrNil(values[c.key])
				if values[c.key] == c.old {
					values[c.key] = c.new
				}
			}
			if s.stale && invoked == s.operations && c.f == "get" {
				c.out = valueOrNil(written[c.key][0])
			}
			if c.f != "get" && len(written[c.key]) < 1000 {
				written[c.key] = append(written[c.key], c.new)
			}
		case 2:
			open--
			if c.crash {
				event(c, history.Info, history.Nil, history.Nil)
				c.process = processes
				processes++
			} else {
				event(c, history.OK, history.Nil, c.out)
			}
			c.stage = 0
		}
	}
}

func valueOrNil(v int64) history.Value {
	if v == 0 {
		return history.Nil
	}
	return history.Int(v)
}

func (s shape) file(b testing.TB) string {
	path := filepath.Join(b.TempDir(), "history.jsonl")
	w, err := history.Create(path)
	require.NoError(b, err)
	s.record(func(e history.Event) { w.Append(e) })
	require.NoError(b, w.Close())
	return path
}

// peak runs f and returns the most heap in use meanwhile, in bytes.
func peak(f func()) uint64 {
	runtime.GC()
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		var top uint64
		for {
			select {
			case <-stop:
				most <- top
				return
			case <-time.After(5 * time.Millisecond):
				top = max(top, readMetric("/memory/classes/heap/objects:bytes")+readMetric("/memory/classes/heap/unused:bytes"))
			}
		}
	}()
	f()
	close(stop)
	return <-most
}

// fromFile is the cost of reading and checking a file, as ordeal check does.
func fromFile(b *testing.B, s shape, want Verdict) {
	path := s.file(b)
	if info, err := os.Stat(path); err == nil {
		b.ReportMetric(float64(info.Size())/1e6, "file-MB")
	}
	var top uint64
	by := map[string]int{}
	for b.Loop() {
		top = peak(func() {
			h, err := history.Load(path)
			require.NoError(b, err)
			r := Linearizable(Register()).Check(context.Background(), h, Options{Unconfirmed: *benchUnconfirmed})
			require.Equal(b, want, r.Verdict, "%s", r.Reason)
			for _, k := range r.Keys {
				by[k.DecidedBy]++
			}
		})
	}
	b.ReportMetric(float64(top)/1e6, "peak-MB")
	b.Logf("%s: %v", want, by)
}

// alone is porcupine by itself on the operations in memory: the model of its own tests, split by key.
func alone(b *testing.B, s shape, want porcupine.CheckResult) {
	var events []history.Event
	s.record(func(e history.Event) { events = append(events, e) })
	ops, err := history.Operations(events)
	require.NoError(b, err)
	events = nil
	var top uint64
	for b.Loop() {
		top = peak(func() {
			require.Equal(b, want, porcupine.CheckOperationsTimeout(aloneModel(), aloneOperations(ops), 2*time.Minute))
		})
	}
	b.ReportMetric(float64(top)/1e6, "peak-MB")
}

type aloneInput struct {
	op       uint8
	key      string
	old, new int64
}

func aloneOperations(ops []history.Operation) []porcupine.Operation {
	out := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		in := aloneInput{key: op.Key}
		saw, _ := op.Output.AsInt()
		switch op.F {
		case "put":
			in.op = 1
			in.new, _ = op.Input.AsInt()
		case "cas":
			in.op = 2
			old, new, _ := op.Input.AsPair()
			in.old, _ = old.AsInt()
			in.new, _ = new.AsInt()
		}
		out[i] = porcupine.Operation{ClientId: op.Process, Input: in, Output: saw, Call: int64(op.Call), Return: int64(op.Return)}
	}
	return out
}

func aloneModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, op := range ops {
				key := op.Input.(aloneInput).key
				byKey[key] = append(byKey[key], op)
			}
			var parts [][]porcupine.Operation
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return int64(0) },
		Step: func(s, input, output any) (bool, any) {
			in, saw := input.(aloneInput), output.(int64)
			switch {
			case in.op == 1:
				return true, in.new
			case saw != s.(int64):
				return false, s
			case in.op == 2 && saw == in.old:
				return true, in.new
			}
			return true, s
		},
	}
}

func BenchmarkCheck(b *testing.B) {
	n := *benchOperations
	b.Run("100keys/alone", func(b *testing.B) { alone(b, shape{operations: n, keys: 100, clients: 20}, porcupine.Ok) })
	for _, s := range []shape{
		{operations: n, keys: 100, clients: 20},
		{operations: n, keys: max(1, n/400), clients: 20},
		{operations: n, keys: 10, clients: 20},
		{operations: n, keys: 1, clients: 5},
		{operations: n, keys: 1, clients: 20},
		{operations: n, keys: 1, clients: 100},
		{operations: 10_000, keys: 1, clients: 5, crashed: 50},
	} {
		b.Run(s.String(), func(b *testing.B) { fromFile(b, s, Valid) })
	}
	for _, s := range []shape{
		{operations: 10_000, keys: 1, clients: 5, crashed: 50, stale: true},
		{operations: n, keys: 1, clients: 20, stale: true},
	} {
		b.Run(s.String(), func(b *testing.B) { fromFile(b, s, Invalid) })
	}
}

// BenchmarkRepeated has values that are written more than once: the exact checkers of registers do not apply.
func BenchmarkRepeated(b *testing.B) {
	n := *benchOperations
	b.Run("100keys/alone", func(b *testing.B) {
		alone(b, shape{operations: n / 10, keys: 100, clients: 20, values: 50}, porcupine.Ok)
	})
	for _, s := range []shape{
		{operations: n / 10, keys: 100, clients: 20, values: 50},
		{operations: n, keys: 1, clients: 5, values: 5},
		{operations: 10_000, keys: 1, clients: 20, values: 5},
		{operations: 10_000, keys: 1, clients: 5, values: 5, crashed: 50},
	} {
		b.Run(s.String(), func(b *testing.B) { fromFile(b, s, Valid) })
	}
}
