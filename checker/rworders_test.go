package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// randomRegisters is a small random history of transactions on registers, of two to seven. Nothing runs them: each read saw
// any value that is written, or nil. Most are illegal. In every other one a transaction either reads or writes, and nearly all
// are concurrent: blind writes leave most open.
func randomRegisters(r *rand.Rand) []history.Operation {
	if r.IntN(200) == 0 {
		return entangled(r)
	}
	n, keys, values := 2+r.IntN(6), 1+r.IntN(3), int64(0)
	ops := make([]history.Operation, n)
	written := make([][]history.Value, keys) // by key
	type read struct{ op, at, key int }
	var reads []read
	blind := r.IntN(2) == 0
	for i := range ops {
		op := &ops[i]
		*op = history.Operation{Index: i, Process: i, F: "txn", Call: time.Duration(r.IntN(10)), Type: history.OK}
		op.Return = op.Call + time.Duration(1+r.IntN(10))
		if blind {
			op.Call, op.Return = op.Call/4, op.Return+10
		}
		var steps []history.Value
		reading := r.IntN(2) == 0
		for range 1 + r.IntN(3) {
			key := r.IntN(keys)
			if !blind {
				reading = r.IntN(2) == 0
			}
			if reading {
				reads = append(reads, read{i, len(steps), key})
				steps = append(steps, history.List(history.String("r"), history.Int(int64(key)), history.Nil))
				continue
			}
			values++
			written[key] = append(written[key], history.Int(values))
			steps = append(steps, history.List(history.String("w"), history.Int(int64(key)), history.Int(values)))
		}
		op.Input, op.Output = history.List(steps...), history.List(slices.Clone(steps)...)
		if r.IntN(8) == 0 {
			op.Type, op.Return, op.Output = history.Info, history.Forever, history.Nil
		}
	}
	for _, rd := range reads {
		if out, ok := ops[rd.op].Output.AsList(); ok {
			if saw := r.IntN(len(written[rd.key]) + 1); saw > 0 {
				out[rd.at] = history.List(history.String("r"), history.Int(int64(rd.key)), written[rd.key][saw-1])
			}
		}
	}
	slices.SortStableFunc(ops, func(a, b history.Operation) int { return int(a.Call - b.Call) })
	for i := range ops {
		ops[i].Index = i
	}
	joinClients(r, ops)
	return ops
}

// entangled has two keys of which either order of the writes is possible, each of the four ways of both leads to a cycle of its
// own, and at times one of what makes the cycles is left out.
func entangled(r *rand.Rand) []history.Operation {
	step := func(name, key string, v int64) history.Value {
		return history.List(history.String(name), history.String(key), history.Int(v))
	}
	all := [][]history.Value{
		{step("w", "x", 1), step("w", "a", 1)}, {step("w", "x", 2), step("w", "b", 1)},
		{step("w", "y", 1), step("w", "c", 1)}, {step("w", "y", 2), step("w", "d", 1)},
		{step("r", "x", 1), step("r", "c", 1), step("r", "d", 1)}, {step("r", "x", 2), step("r", "c", 1), step("r", "d", 1)},
		{step("r", "y", 1), step("r", "a", 1), step("r", "b", 1)}, {step("r", "y", 2), step("r", "a", 1), step("r", "b", 1)},
	}
	if r.IntN(2) == 0 {
		reader := 4 + r.IntN(4)
		at := r.IntN(3)
		all[reader] = slices.Delete(all[reader], at, at+1)
	}
	ops := make([]history.Operation, len(all))
	for i, steps := range all {
		ops[i] = history.Operation{Index: i, Process: i, F: "txn", Type: history.OK, Call: 1, Return: 100, Input: history.List(steps...), Output: history.List(steps...)}
	}
	return ops
}

// joinClients gives some transactions that follow each other to one client.
func joinClients(r *rand.Rand, ops []history.Operation) {
	for i := range ops {
		for j := range ops[:i] {
			if ops[j].Type == history.OK && ops[j].Return <= ops[i].Call && r.IntN(3) == 0 &&
				!slices.ContainsFunc(ops[:i], func(o history.Operation) bool { return o.Process == ops[j].Process && o.Index > j }) {
				ops[i].Process = ops[j].Process
				break
			}
		}
	}
}

// oracleRegisters tries all orders of transactions by the definition: of those that returned all, of those that crashed any,
// none before one that the level puts before it.
func oracleRegisters(level string, state map[string]string, left []history.Operation) bool {
	done := true
	for i, op := range left {
		if op.Type == history.OK {
			done = false
		}
		if slices.ContainsFunc(left, func(o history.Operation) bool {
			return level != Serializable && o.Process == op.Process && o.Index < op.Index || level == StrictSerializable && o.Type == history.OK && o.Return < op.Call
		}) {
			continue
		}
		if next, ok := oracleTransaction(state, &op); ok && oracleRegisters(level, next, slices.Delete(slices.Clone(left), i, i+1)) {
			return true
		}
	}
	return done
}

func oracleTransaction(before map[string]string, op *history.Operation) (map[string]string, bool) {
	state := map[string]string{}
	for k, v := range before {
		state[k] = v
	}
	in, _ := op.Input.AsList()
	out, known := op.Output.AsList()
	for i := range in {
		parts, _ := in[i].AsList()
		key := parts[1].String()
		if name, _ := parts[0].AsString(); name == "w" {
			state[key] = parts[2].String()
			continue
		}
		if !known {
			continue
		}
		saw, _ := out[i].AsList()
		want, ok := state[key]
		if !ok {
			want = "nil"
		}
		if saw[2].String() != want {
			return nil, false
		}
	}
	return state, true
}

// The verdicts on small histories of transactions on registers are those of the definition, both ways, at each level that
// demands an order.
func TestRegisterTransactionsAgreeWithTheOracle(t *testing.T) {
	for _, level := range []string{Serializable, "strong-session-" + Serializable, StrictSerializable} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(51, uint64(len(level))))
			c, err := RWRegister(level)
			require.NoError(t, err)
			most, count, searched, skipped := some(200_000), map[Verdict]int{}, 0, 0
			for count[Valid] < most/2 || count[Invalid] < most/2 {
				ops := randomRegisters(r)
				want := Invalid
				if oracleRegisters(level, nil, ops) {
					want = Valid
				}
				if count[want] > most { // there are more illegal ones
					skipped++
					continue
				}
				count[want]++
				got := c.Check(context.Background(), &history.History{Operations: ops}, Options{Memory: 1 << 30})
				require.Equal(t, want, got.Verdict, "the oracle says %s, the checker %s: %s\n%s", want, got.Verdict, got.Reason, transactionListing(ops))
				if a := got.Anomalies; len(a) > 0 && strings.HasPrefix(a[0].Name, "unserializable") {
					searched++
					require.False(t, oracleRegisters(level, nil, a[0].Operations), "the evidence is legal: %s\n%s", a[0].Text, transactionListing(ops))
				}
			}
			t.Logf("%d valid, %d invalid, of which %d by the search; %d more illegal ones left out", count[Valid], count[Invalid], searched, skipped)
			require.Positive(t, searched)
		})
	}
}

func transactionListing(ops []history.Operation) string {
	text := ""
	for _, op := range ops {
		said, _ := describeTransaction(&op)
		text += fmt.Sprintf("%d: process %d: %s [%d, %d]\n", op.Index, op.Process, said, op.Call, op.Return)
	}
	return text
}
