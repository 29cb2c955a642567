package checker

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// generator makes small random histories of one register as a correct system would answer them, and breaks some.
type generator struct {
	random     *rand.Rand
	clients    int
	operations int
	cas        bool
	unique     bool // values are written once
	crashes    float64
	ties       bool // several events at one time
	noValue    bool // a write or swap may write nil
}

func randomGenerator(r *rand.Rand) generator {
	g := generator{
		random: r, clients: 1 + r.IntN(4), operations: 3 + r.IntN(10), cas: r.IntN(3) > 0, unique: true,
		crashes: float64(r.IntN(3)) * 0.2, ties: r.IntN(3) == 0,
	}
	if r.IntN(20) == 0 { // a longer one
		g.clients, g.operations = 2+r.IntN(4), 20+r.IntN(20)
	}
	return g
}

// simulated is an object as a correct system has it.
type simulated struct {
	next  func(client int) (f string, in history.Value)
	apply func(op *history.Operation) bool // takes effect and answers; false: it must wait
}

// legal is a history a correct register may give.
func (g *generator) legal() []history.Operation {
	value, next := history.Nil, int64(0)
	written := []history.Value{history.Nil}
	fresh := func() history.Value {
		if !g.unique {
			if g.noValue && g.random.IntN(5) == 0 {
				return history.Nil
			}
			return history.Int(int64(1 + g.random.IntN(3)))
		}
		next++
		return history.Int(next)
	}
	return g.simulate(simulated{
		next: func(int) (string, history.Value) {
			k := g.random.IntN(5)
			if k < 2 {
				return "get", history.Nil
			}
			new := fresh()
			old := value
			if g.random.IntN(2) == 0 {
				old = written[g.random.IntN(len(written))]
			}
			written = append(written, new)
			if k == 4 || !g.cas {
				return "put", new
			}
			if g.random.IntN(20) == 0 {
				new = old
			}
			return "cas", history.List(old, new)
		},
		apply: func(op *history.Operation) bool {
			value = take(op, value)
			return true
		},
	})
}

// simulate lets clients use an object.
func (g *generator) simulate(s simulated) []history.Operation {
	type underWay struct {
		op     history.Operation
		done   bool // took effect
		crash  bool
		client int
	}
	var ops []history.Operation
	var open []*underWay
	var late []history.Operation // crashed, to take effect later
	var now time.Duration
	process := make([]int, g.clients)
	for c := range process {
		process[c] = c
	}
	waits := 0
	for invoked := 0; (invoked < g.operations || len(open) > 0) && waits < 100; {
		if !g.ties || g.random.IntN(2) == 0 {
			now++
		}
		if n := len(late); n > 0 && g.random.IntN(4) == 0 && s.apply(&late[n-1]) {
			late = late[:n-1]
		}
		c := g.random.IntN(g.clients)
		i := slices.IndexFunc(open, func(o *underWay) bool { return o.client == c })
		if i < 0 {
			if invoked < g.operations {
				o := &underWay{client: c, op: history.Operation{Process: process[c], Call: now, Index: invoked}, crash: g.random.Float64() < g.crashes}
				o.op.F, o.op.Input = s.next(c)
				open = append(open, o)
				invoked++
			}
			continue
		}
		o := open[i]
		if !o.done && (!o.crash || g.random.IntN(2) == 0) {
			if o.done = s.apply(&o.op); !o.done {
				waits++
			}
			continue
		}
		if o.crash { // the client goes on under a new number
			crashed(&o.op)
			process[c] += g.clients
			if !o.done && g.random.IntN(2) == 0 {
				late = append(late, o.op)
			}
		} else {
			o.op.Type, o.op.Return = history.OK, now
		}
		ops = append(ops, o.op)
		open = slices.Delete(open, i, i+1)
	}
	for _, o := range open { // waiting still
		crashed(&o.op)
		ops = append(ops, o.op)
	}
	slices.SortFunc(ops, func(a, b history.Operation) int { return a.Index - b.Index })
	return ops
}

func crashed(op *history.Operation) {
	op.Type, op.Return, op.Output = history.Info, history.Forever, history.Nil
}

// take lets an operation take effect on a register and returns the new value.
func take(op *history.Operation, value history.Value) history.Value {
	switch op.F {
	case "put":
		return op.Input
	case "cas":
		op.Output = value
		if old, new, _ := op.Input.AsPair(); old.Equal(value) {
			return new
		}
	default:
		op.Output = value
	}
	return value
}

// corrupt breaks a history in a few places; the result may be legal still.
func (g *generator) corrupt(ops []history.Operation) {
	for left, tries := 1+g.random.IntN(2), 0; left > 0 && tries < 20; tries++ {
		if g.corruptOne(&ops[g.random.IntN(len(ops))], ops) {
			left--
		}
	}
	slices.SortStableFunc(ops, func(a, b history.Operation) int { return int(a.Call - b.Call) })
}

// corruptOne changes an operation and tells whether it could.
func (g *generator) corruptOne(op *history.Operation, ops []history.Operation) bool {
	if op.Type != history.OK {
		op.Call += time.Duration(g.random.IntN(6))
		return true
	}
	switch g.random.IntN(6) {
	case 0: // at another time
		shift := time.Duration(g.random.IntN(21) - 10)
		op.Call, op.Return = max(0, op.Call+shift), max(0, op.Return+shift)
		return shift != 0
	case 1: // a shorter stay
		stay := op.Return - op.Call
		op.Call += stay / 3
		op.Return -= stay / 3
		return stay >= 3
	}
	if op.F == "put" {
		return false
	}
	if op.F == "cas" && g.random.IntN(3) == 0 { // one that swapped another value
		_, new, _ := op.Input.AsPair()
		old := g.valueOf(ops[g.random.IntN(len(ops))])
		op.Input, op.Output = history.List(old, new), old
		return true
	}
	before := op.Output
	op.Output = g.valueOf(ops[g.random.IntN(len(ops))])
	return !op.Output.Equal(before)
}

// valueOf is a value an operation has to do with, or one nobody writes.
func (g *generator) valueOf(op history.Operation) history.Value {
	if g.random.IntN(30) == 0 {
		return history.Int(1000)
	}
	switch op.F {
	case "get":
		return op.Output
	case "put":
		return op.Input
	}
	old, new, _ := op.Input.AsPair()
	return [...]history.Value{old, new}[g.random.IntN(2)]
}

// history is a random history, broken more often than not.
func (g *generator) history() []history.Operation {
	ops := g.legal()
	if g.random.IntN(6) > 0 {
		g.corrupt(ops)
	}
	return ops
}

// fit is what the checker keeps of one key's operations.
func fit(m *Model, ops []history.Operation) []*history.Operation {
	var o object
	for i := range ops {
		o.add(m, &ops[i])
	}
	if o.bad != "" {
		panic(o.bad)
	}
	return o.ops
}
