package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// The oracle decides by the definition and nothing else: it tries every choice of the operations that crashed and every order
// in which none comes before one that had returned when it was called. What the objects do is written here once more, from
// their descriptions, so that a fault of a model shows as well as one of an algorithm.

// oracleStep applies an operation to an object; false: that is not what it would have answered. States are texts.
type oracleStep func(state string, op *history.Operation) (string, bool)

func (step oracleStep) legal(state string, left []*history.Operation) bool {
	done := true
	for i, op := range left {
		if op.Type == history.OK {
			done = false
		}
		if slices.ContainsFunc(left, func(o *history.Operation) bool { return o.Type == history.OK && o != op && o.Return < op.Call }) {
			continue
		}
		if next, ok := step(state, op); ok && step.legal(next, slices.Delete(slices.Clone(left), i, i+1)) {
			return true
		}
	}
	return done
}

func oracleRegister(state string, op *history.Operation) (string, bool) {
	answer := op.Type != history.OK || op.Output.String() == state
	switch op.F {
	case "put":
		return op.Input.String(), true
	case "cas":
		pair, _ := op.Input.AsList()
		if answer && pair[0].String() == state {
			return pair[1].String(), true
		}
	}
	return state, answer
}

func oracleText(state string, op *history.Operation) (string, bool) {
	in, _ := op.Input.AsString()
	out, _ := op.Output.AsString()
	switch op.F {
	case "append":
		return state + in, true
	case "put":
		return in, true
	}
	return state, op.Type != history.OK || out == state
}

func oracleSet(state string, op *history.Operation) (string, bool) {
	have := strings.Fields(state)
	if op.F == "add" {
		if e := op.Input.String(); !slices.Contains(have, e) {
			have = append(have, e)
		}
		slices.Sort(have)
		return strings.Join(have, " "), true
	}
	var saw []string
	list, _ := op.Output.AsList()
	for _, v := range list {
		saw = append(saw, v.String())
	}
	slices.Sort(saw)
	return state, op.Type != history.OK || slices.Equal(saw, have)
}

func oracleQueue(state string, op *history.Operation) (string, bool) {
	have := strings.Fields(state)
	if op.F == "enqueue" {
		return strings.Join(append(have, op.Input.String()), " "), true
	}
	first, rest := "nil", have
	if len(have) > 0 {
		first, rest = have[0], have[1:]
	}
	return strings.Join(rest, " "), op.Type != history.OK || op.Output.String() == first
}

func oracleCounter(state string, op *history.Operation) (string, bool) {
	var n, d int64
	fmt.Sscan(state, &n)
	if op.F == "add" {
		d, _ = op.Input.AsInt()
	}
	out, told := op.Output.AsInt()
	return fmt.Sprint(n + d), op.Type != history.OK || !told || out == n+d
}

// oracleLock has the holder and the last token for a state; the least integer stands for none.
func oracleLock(state string, op *history.Operation) (string, bool) {
	var holder string
	var last int64
	fmt.Sscan(state, &holder, &last)
	unknown := op.Type != history.OK
	switch op.F {
	case "read":
		return state, unknown || op.Output.String() == holder
	case "release":
		if holder != op.Input.String() {
			return state, unknown
		}
		return fmt.Sprint("nil ", last), true
	}
	if holder != "nil" {
		return state, unknown
	}
	if token, ok := op.Output.AsInt(); ok && !unknown {
		return fmt.Sprint(op.Input.String(), " ", token), token > last
	}
	return fmt.Sprint(op.Input.String(), " ", last), true
}

// oracleBank has two accounts, a and b, for a state; empty: it is not open.
func oracleBank(state string, op *history.Operation) (string, bool) {
	unknown := op.Type != history.OK
	in, _ := op.Input.AsList()
	var a, b int64
	fmt.Sscan(state, &a, &b)
	switch {
	case op.F == "open" && state == "":
		return "10 5", true
	case op.F == "read" && state == "":
		return state, unknown || op.Output.String() == "[]"
	case op.F == "read":
		return state, unknown || op.Output.String() == fmt.Sprintf(`[["a" %d] ["b" %d]]`, a, b)
	case op.F == "open", state == "":
		return state, unknown
	}
	amount, _ := in[2].AsInt()
	from, to := &a, &b
	if in[0].String() == `"b"` {
		from, to = to, from
	}
	if *from < amount {
		return state, unknown
	}
	*from -= amount
	*to += amount
	answer := op.Output.IsNil() || op.Output.String() == fmt.Sprintf("[%d %d]", *from, *to)
	return fmt.Sprint(a, " ", b), unknown || answer
}

// bankObject is a bank of two accounts that somebody opens sooner or later.
func bankObject(g *generator) simulated {
	open, a, b := false, int64(10), int64(5)
	accounts := func(x, y history.Value) history.Value {
		return history.List(history.List(history.String("a"), x), history.List(history.String("b"), y))
	}
	return simulated{
		next: func(int) (string, history.Value) {
			switch k := g.random.IntN(5); {
			case !open && k < 3:
				return "open", accounts(history.Int(10), history.Int(5))
			case k < 2:
				return "read", history.List(history.String("a"), history.String("b"))
			}
			names := []history.Value{history.String("a"), history.String("b")}
			i := g.random.IntN(2)
			return "transfer", history.List(names[i], names[1-i], history.Int(1+g.random.Int64N(8)))
		},
		apply: func(op *history.Operation) bool {
			in, _ := op.Input.AsList()
			switch {
			case op.F == "open":
				done := !open
				open = true
				return done
			case op.F == "read" && !open:
				op.Output = history.List()
				return true
			case op.F == "read":
				op.Output = accounts(history.Int(a), history.Int(b))
				return true
			case !open:
				return false
			}
			from, to := &a, &b
			if in[0].Equal(history.String("b")) {
				from, to = to, from
			}
			amount, _ := in[2].AsInt()
			if *from < amount {
				return false
			}
			*from -= amount
			*to += amount
			if g.random.IntN(2) == 0 {
				op.Output = history.List(history.Int(*from), history.Int(*to))
			}
			return true
		},
	}
}

func TestVerdictsAgreeWithTheOracle(t *testing.T) {
	cases := objectCases()
	cases["bank"] = objectCase{BankModel(), bankObject, otherAnswer}
	cases["register"] = objectCase{model: Register()}
	oracles := map[string]struct {
		step oracleStep
		init string
	}{
		"register": {oracleRegister, "nil"}, "text": {oracleText, ""}, "text with puts": {oracleText, ""},
		"set": {oracleSet, ""}, "queue": {oracleQueue, ""},
		"counter": {oracleCounter, "0"}, "lock": {oracleLock, "nil -9223372036854775808"}, "lock with tokens": {oracleLock, "nil -9223372036854775808"}, "bank": {oracleBank, ""},
	}
	require.Len(t, oracles, len(cases))
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(31, uint64(len(name))))
			count := map[Verdict]int{}
			for n := range some(50_000) {
				var raw []history.Operation
				if name == "register" {
					g := repeating(r)
					g.unique, g.operations, g.crashes = r.IntN(2) == 0, 1+r.IntN(7), 0.2
					raw = g.history()
				} else if raw = c.history(r); len(raw) > 7 {
					raw = raw[:7]
				}
				ops := fit(&c.model, raw)
				want := Invalid
				if oracles[name].step.legal(oracles[name].init, ops) {
					want = Valid
				}
				count[want]++
				// By the exact checkers, and as users ask.
				require.Equal(t, want, decideObject(unbounded(t), &c.model, ops).verdict, "history %d:\n%s", n, listing(ops))
				got := Linearizable(c.model).Check(context.Background(), &history.History{Operations: raw}, Options{Memory: 1 << 30, Parallel: 1})
				require.Equal(t, want, got.Verdict, "history %d: %s\n%s", n, got.Reason, listing(ops))
			}
			require.Greater(t, count[Valid], some(2_000))
			require.Greater(t, count[Invalid], some(2_000))
		})
	}
}
