package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// TestTransactions judges the transactions in testdata/transactions. A line is a transaction: its client, its steps, and
// from when to when it was open; "?" is a transaction nobody knows the end of:
//
//	0: append x 1, r y [2 3]       [10, 20]
//	1: append x 2                  [30, ?]
//	2: append x 3                  fail [30, 40]
//
// Commands: list-append, rw-register; level= is the isolation level asked for.
func TestTransactions(t *testing.T) {
	datadriven.RunTest(t, "testdata/transactions", func(t *testing.T, d *datadriven.TestData) string {
		level := StrictSerializable
		d.MaybeScanArgs(t, "level", &level)
		c, err := newTransactions(level, d.Cmd == "list-append")
		require.NoError(t, err)
		r := c.Check(context.Background(), &history.History{Operations: parseTransactions(t, d.Input)}, Options{})
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n", strings.TrimSuffix(string(r.Verdict)+": "+r.Reason, ": "))
		for _, a := range r.Anomalies {
			var ops []int
			for _, op := range a.Operations {
				ops = append(ops, op.Index)
			}
			fmt.Fprintf(&b, "%s (%s) %v tolerated=%v\n", a.Name, a.Level, ops, a.Tolerated)
		}
		return b.String()
	})
}

func parseTransactions(t testing.TB, input string) []history.Operation {
	var ops []history.Operation
	for _, line := range strings.Split(strings.TrimSpace(input), "\n") {
		client, rest, ok := strings.Cut(line, ":")
		require.True(t, ok, line)
		at := strings.LastIndex(rest, "[")
		from, to, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(rest[at+1:]), "]"), ",")
		require.True(t, ok, line)
		op := history.Operation{F: "txn", Index: len(ops), Type: history.OK}
		_, err := fmt.Sscan(client, &op.Process)
		require.NoError(t, err)
		op.Call, err = parseTime(from)
		require.NoError(t, err)
		op.Return, err = parseTime(to)
		require.NoError(t, err)
		rest = strings.TrimSpace(rest[:at])
		if before, ok := strings.CutSuffix(rest, "fail"); ok {
			op.Type, rest = history.Fail, before
		}
		if op.Return == history.Forever {
			op.Type = history.Info
		}
		var in, out []history.Value
		for _, s := range strings.Split(rest, ",") {
			words := strings.SplitN(strings.TrimSpace(s), " ", 3)
			require.Len(t, words, 3, line)
			value := parseValue(words[2])
			arg := value
			if words[0] == "r" {
				arg = history.Nil
			}
			in = append(in, history.List(history.String(words[0]), history.String(words[1]), arg))
			out = append(out, history.List(history.String(words[0]), history.String(words[1]), value))
		}
		op.Input = history.List(in...)
		if op.Type == history.OK {
			op.Output = history.List(out...)
		}
		ops = append(ops, op)
	}
	return ops
}

// database is a small store with transactions, as right or wrong as its isolation.
type database struct {
	random    *rand.Rand
	lists     bool
	isolation string // "strict": one at a time; "snapshot"; "committed": each step sees the last commit; "stale": serial, but reads may be old
	data      map[int][]int64
	next      int64
}

// run makes a history of n transactions of some clients.
func (db *database) run(clients, n int) []history.Operation {
	type client struct {
		op       *history.Operation
		process  int
		left     []history.Value // steps
		out      []history.Value
		view     map[int][]int64
		writes   map[int][]int64
		finished bool
	}
	cs := make([]*client, clients)
	for i := range cs {
		cs[i] = &client{process: i}
	}
	var ops []*history.Operation
	now := time.Duration(0)
	old := map[int][]int64{}
	for done := 0; done < n; {
		now++
		c := cs[db.random.IntN(clients)]
		if c.op == nil {
			if len(ops) == n {
				done++
				continue
			}
			steps := make([]history.Value, 1+db.random.IntN(3))
			for i := range steps {
				key := history.Int(int64(db.random.IntN(2)))
				// Without locks an own append has no place in the order before the commit; nobody reads it there.
				if db.random.IntN(2) == 0 && (db.isolation != "committed" || !slices.ContainsFunc(steps[:i], func(s history.Value) bool { return db.appends(s, key) })) {
					steps[i] = history.List(history.String("r"), key, history.Nil)
					continue
				}
				db.next++
				name := "w"
				if db.lists {
					name = "append"
				}
				steps[i] = history.List(history.String(name), key, history.Int(db.next))
			}
			c.op = &history.Operation{Process: c.process, F: "txn", Index: len(ops), Call: now, Input: history.List(steps...)}
			ops = append(ops, c.op)
			c.left, c.out, c.writes, c.finished = steps, nil, map[int][]int64{}, false
			c.view = nil
			continue
		}
		if c.finished {
			c.op.Return, c.op.Type, c.op.Output = now, history.OK, history.List(c.out...)
			if db.random.IntN(8) == 0 {
				c.op.Return, c.op.Type, c.op.Output = history.Forever, history.Info, history.Nil
				c.process += clients
			}
			c.op = nil
			done++
			continue
		}
		if c.view == nil {
			c.view = map[int][]int64{}
			for k, v := range db.data {
				c.view[k] = slices.Clone(v)
			}
			if db.isolation == "stale" && db.random.IntN(2) == 0 {
				c.view = map[int][]int64{}
				for k, v := range old {
					c.view[k] = slices.Clone(v)
				}
			}
			if db.isolation == "snapshot" {
				continue // others may commit before it does
			}
		}
		steps := len(c.left)
		if db.isolation == "committed" {
			steps = 1
		}
		for ; steps > 0; steps-- {
			parts, _ := c.left[0].AsList()
			c.left = c.left[1:]
			key64, _ := parts[1].AsInt()
			key := int(key64)
			state := c.view
			if db.isolation == "committed" {
				state = db.data
			}
			seen := append(slices.Clone(state[key]), c.writes[key]...)
			if name, _ := parts[0].AsString(); name == "r" {
				c.out = append(c.out, history.List(parts[0], parts[1], db.value(seen)))
				continue
			}
			v, _ := parts[2].AsInt()
			c.writes[key] = append(c.writes[key], v)
			c.out = append(c.out, history.List(parts...))
		}
		if len(c.left) > 0 {
			continue
		}
		if db.random.IntN(3) == 0 {
			old = map[int][]int64{}
			for k, v := range db.data {
				old[k] = slices.Clone(v)
			}
		}
		if db.isolation == "snapshot" && db.conflict(c.view, c.writes) {
			c.op.Return, c.op.Type = now, history.Fail
			c.op = nil
			done++
			continue
		}
		for _, k := range []int{0, 1} {
			db.data[k] = append(db.data[k], c.writes[k]...)
		}
		c.finished = true
	}
	var all []history.Operation
	for _, op := range ops {
		if op.Type == 0 {
			op.Type, op.Return = history.Info, history.Forever
		}
		all = append(all, *op)
	}
	return all
}

func (db *database) appends(s, key history.Value) bool {
	parts, _ := s.AsList()
	name, _ := parts[0].AsString()
	return name != "r" && parts[1].Equal(key)
}

// conflict tells whether a key written changed since the snapshot.
func (db *database) conflict(view, writes map[int][]int64) bool {
	for k, w := range writes {
		if len(w) > 0 && len(view[k]) != len(db.data[k]) {
			return true
		}
	}
	return false
}

func (db *database) value(seen []int64) history.Value {
	if db.lists {
		var vs []history.Value
		for _, v := range seen {
			vs = append(vs, history.Int(v))
		}
		return history.List(vs...)
	}
	if len(seen) == 0 {
		return history.Nil
	}
	return history.Int(seen[len(seen)-1])
}

// store is the sequential specification of the whole database: the state is its JSON.
func store(lists bool) Model {
	return Model{
		Name: "store",
		Init: func() any { return "[[],[]]" },
		Step: func(_ context.Context, s any, op *history.Operation) (any, bool) {
			var state history.Value
			if err := state.UnmarshalJSON([]byte(s.(string))); err != nil {
				panic(err)
			}
			data, _ := state.AsList()
			data = slices.Clone(data)
			in, _ := op.Input.AsList()
			out, known := op.Output.AsList()
			for i := range in {
				parts, _ := in[i].AsList()
				key, _ := parts[1].AsInt()
				list, _ := data[key].AsList()
				if name, _ := parts[0].AsString(); name != "r" {
					data[key] = history.List(append(slices.Clone(list), parts[2])...)
					continue
				}
				if !known {
					continue
				}
				want := data[key]
				if !lists {
					want = history.Nil
					if len(list) > 0 {
						want = list[len(list)-1]
					}
				}
				if got, _ := out[i].AsList(); !got[2].Equal(want) {
					return s, false
				}
			}
			return string(history.List(data...).AppendJSON(nil)), true
		},
	}
}

// What the cycles call invalid is not strictly serializable by the definition, searched by porcupine; and what a right
// database does is valid at its level.
func TestTransactionsAgreeWithTheDefinition(t *testing.T) {
	t.Parallel()
	for _, lists := range []bool{false, true} {
		caught, missed, serialCaught, unserial := 0, 0, 0, 0
		r := rand.New(rand.NewPCG(13, 14))
		m, b := store(lists), unbounded(t)
		for n := range some(200_000) {
			isolation := []string{"strict", "snapshot", "committed", "stale"}[n%4]
			db := &database{random: r, lists: lists, isolation: isolation, data: map[int][]int64{}}
			h := &history.History{Operations: db.run(2+r.IntN(3), 3+r.IntN(6))}
			judge := func(level string) Result {
				c, err := newTransactions(level, lists)
				require.NoError(t, err)
				return c.Check(context.Background(), h, Options{Memory: 1 << 30})
			}
			got := judge(StrictSerializable)
			ops := fit(&m, h.Operations)
			want := decidePorcupine(b, ops, machineOf(&m, ops), 0)
			require.NotEqual(t, Unknown, got.Verdict, got.Reason)
			switch {
			case isolation == "strict":
				require.Equal(t, Valid, want, "the database is wrong:\n%s", listing(ops))
				fallthrough
			case want == Valid:
				require.Equal(t, Valid, got.Verdict, "%s\n%s", got.Reason, listing(ops))
			case got.Verdict == Invalid:
				caught++
			default:
				missed++
				require.True(t, lists, "porcupine says invalid, the checker valid, and of registers all are found:\n%s", listing(ops))
			}
			// Serializable is what some order explains, whatever the times.
			timeless := slices.Clone(h.Operations)
			for i := range timeless {
				timeless[i].Call, timeless[i].Return = 0, min(timeless[i].Return, 1)
				if timeless[i].Type == history.Info {
					timeless[i].Return = history.Forever
				}
			}
			ordered := fit(&m, timeless)
			serial, serializable := judge(Serializable), decidePorcupine(b, ordered, machineOf(&m, ordered), 0)
			if serializable == Valid {
				require.Equal(t, Valid, serial.Verdict, "%s\n%s", serial.Reason, listing(ops))
			} else if serial.Verdict == Valid {
				unserial++
				require.True(t, lists, "porcupine says invalid, the checker valid, and of registers all are found:\n%s", listing(ops))
			} else {
				serialCaught++
			}
			if level := map[string]string{"snapshot": SnapshotIsolation, "committed": ReadCommitted}[isolation]; level != "" {
				r := judge(level)
				require.Equal(t, Valid, r.Verdict, "a database of %s: %s\n%s", level, r.Reason, listing(ops))
			}
		}
		t.Logf("lists %v: of %d wrong histories %d were caught", lists, caught+missed, caught)
		t.Logf("lists %v: of %d that are not serializable %d were caught", lists, serialCaught+unserial, serialCaught)
		require.Greater(t, caught, some(5_000))
		require.Greater(t, serialCaught, some(2_000))
		if lists {
			require.Less(t, missed*20, caught, "lists show nearly all")
		}
	}
}
