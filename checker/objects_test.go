package checker

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// The exact checkers of texts, sets, queues, locks and counters against porcupine.

// askExact asks a model's exact checker.
func askExact(b *bounds, m *Model, ops []*history.Operation) (Verdict, bool) {
	v, _, _, ok := m.exact(b, ops)
	return v, ok
}

// objectHistory makes a random history of an object, broken more often than not.
func objectHistory(r *rand.Rand, object func(g *generator) simulated, mangle func(g *generator, op *history.Operation, ops []history.Operation)) []history.Operation {
	g := randomGenerator(r)
	g.operations = min(g.operations, 12)
	if r.IntN(3) > 0 {
		g.crashes = 0 // what crashed is often not for the exact checkers
	}
	ops := g.simulate(object(&g))
	if r.IntN(4) == 0 || len(ops) == 0 {
		return ops
	}
	for range 1 + r.IntN(2) {
		op := &ops[r.IntN(len(ops))]
		switch stay := op.Return - op.Call; {
		case op.Type != history.OK:
			op.Call += time.Duration(r.IntN(6))
		case r.IntN(2) == 0:
			mangle(&g, op, ops)
		case r.IntN(2) == 0:
			op.Call += stay / 3
			op.Return -= stay / 3
		default:
			shift := time.Duration(r.IntN(21) - 10)
			op.Call, op.Return = max(0, op.Call+shift), max(0, op.Return+shift)
		}
	}
	slices.SortStableFunc(ops, func(a, b history.Operation) int { return int(a.Call - b.Call) })
	return ops
}

// otherAnswer gives an operation the answer of another of its kind.
func otherAnswer(g *generator, op *history.Operation, ops []history.Operation) {
	for range 10 {
		if other := ops[g.random.IntN(len(ops))]; other.F == op.F && other.Type == history.OK && !other.Output.Equal(op.Output) {
			if g.random.IntN(2) == 0 {
				op.Output = other.Output
			} else {
				for i := range ops {
					if ops[i].Index == other.Index {
						ops[i].Output, op.Output = op.Output, ops[i].Output
					}
				}
			}
			return
		}
	}
}

// otherToken gives an acquisition the token of another, or a small one.
func otherToken(g *generator, op *history.Operation, ops []history.Operation) {
	if op.F == "read" {
		otherHolder(g, op, ops)
		return
	}
	if op.F == "acquire" && g.random.IntN(10) == 0 {
		op.Output = history.Int(g.random.Int64N(3) - 1)
		return
	}
	otherAnswer(g, op, ops)
}

// otherTime moves an operation, or has a read see another holder.
func otherTime(g *generator, op *history.Operation, ops []history.Operation) {
	if op.F == "read" && g.random.IntN(2) == 0 {
		otherHolder(g, op, ops)
		return
	}
	shift := time.Duration(g.random.IntN(31) - 15)
	op.Call, op.Return = max(0, op.Call+shift), max(0, op.Return+shift)
}

func otherHolder(g *generator, op *history.Operation, ops []history.Operation) {
	switch other := ops[g.random.IntN(len(ops))]; {
	case g.random.IntN(20) == 0:
		op.Output = history.Int(99)
	case other.Input.IsNil():
		op.Output = other.Output
	default:
		op.Output = other.Input
	}
}

func textObject(g *generator) simulated {
	var text string
	var next int64
	clear := g.random.IntN(20) > 0 // no piece is the beginning of another
	return simulated{
		next: func(int) (string, history.Value) {
			if g.random.IntN(2) == 0 {
				return "get", history.Nil
			}
			next++
			piece := fmt.Sprintf("%d.", next)
			if !clear {
				piece = strings.Repeat("x", int(next))
			}
			return "append", history.String(piece)
		},
		apply: func(op *history.Operation) bool {
			if in, _ := op.Input.AsString(); op.F == "append" {
				text += in
			} else if op.F == "put" {
				text = in
			} else if op.Output = history.String(text); text == "" && g.random.IntN(2) == 0 {
				op.Output = history.Nil
			}
			return true
		},
	}
}

// otherText changes what a read saw.
func otherText(g *generator, op *history.Operation, ops []history.Operation) {
	if op.F != "get" {
		return
	}
	text, _ := op.Output.AsString()
	pieces := strings.SplitAfter(text, ".")
	i, j := g.random.IntN(len(pieces)), g.random.IntN(len(pieces))
	switch g.random.IntN(6) {
	case 5: // torn in the middle of a piece
		op.Output = history.String(text[:max(len(text)-1, 0)])
		return
	case 0:
		pieces[i], pieces[j] = pieces[j], pieces[i]
	case 1:
		pieces = slices.Delete(pieces, i, i+1)
	case 2:
		pieces = append(pieces, fmt.Sprintf("%d.", 1+g.random.IntN(8)))
	case 3:
		pieces = append(pieces, pieces[i])
	default:
		otherAnswer(g, op, ops)
		return
	}
	op.Output = history.String(strings.Join(pieces, ""))
}

// textWithPuts is textObject with puts.
func textWithPuts(g *generator) simulated {
	o := textObject(g)
	next, apply := o.next, o.apply
	return simulated{
		next: func(client int) (string, history.Value) {
			f, in := next(client)
			if f == "append" && g.random.IntN(3) == 0 {
				f = "put"
			}
			return f, in
		},
		apply: apply,
	}
}

func setObject(g *generator) simulated {
	var have []history.Value
	var next int64
	return simulated{
		next: func(int) (string, history.Value) {
			if g.random.IntN(2) == 0 {
				return "read", history.Nil
			}
			next++
			return "add", history.Int(next)
		},
		apply: func(op *history.Operation) bool {
			if op.F == "add" {
				have = append(slices.Clone(have), op.Input)
			} else {
				op.Output = history.List(slices.Clone(have)...)
			}
			return true
		},
	}
}

// otherElements takes an element out of a read, or puts one in.
func otherElements(g *generator, op *history.Operation, ops []history.Operation) {
	list, ok := op.Output.AsList()
	if !ok {
		return
	}
	list = slices.Clone(list)
	if len(list) > 0 && g.random.IntN(2) == 0 {
		i := g.random.IntN(len(list))
		list = slices.Delete(list, i, i+1)
	} else {
		list = append(list, history.Int(int64(1+g.random.IntN(6))))
	}
	op.Output = history.List(list...)
}

func queueObject(g *generator) simulated {
	var have []history.Value
	var next int64
	return simulated{
		next: func(int) (string, history.Value) {
			if g.random.IntN(2) == 0 {
				return "dequeue", history.Nil
			}
			next++
			return "enqueue", history.Int(next)
		},
		apply: func(op *history.Operation) bool {
			if op.F == "enqueue" {
				have = append(have, op.Input)
			} else if op.Output = history.Nil; len(have) > 0 {
				op.Output, have = have[0], have[1:]
			}
			return true
		},
	}
}

func lockObject(tokens bool) func(g *generator) simulated {
	return func(g *generator) simulated {
		holder, token := int64(0), g.random.Int64N(4)-3
		names, fresh := map[int]int64{}, g.random.IntN(3) > 0 // a name for each acquisition, or one for each client
		return simulated{
			next: func(client int) (string, history.Value) {
				if g.random.IntN(4) == 0 {
					return "read", history.Nil
				}
				if name := names[client]; name != 0 && name == holder {
					return "release", history.Int(name)
				}
				if fresh {
					names[client] = int64(client + 10*(1+g.random.IntN(50)))
				} else {
					names[client] = int64(client + 1)
				}
				return "acquire", history.Int(names[client])
			},
			apply: func(op *history.Operation) bool {
				if op.F == "read" {
					if op.Output = history.Nil; holder != 0 {
						op.Output = history.Int(holder)
					}
					return true
				}
				who, _ := op.Input.AsInt()
				if op.F == "release" {
					if holder == who {
						holder = 0
					}
					return true
				}
				if holder != 0 {
					return false
				}
				holder = who
				token += 1 + g.random.Int64N(2)
				if tokens {
					op.Output = history.Int(token)
				}
				return true
			},
		}
	}
}

func counterObject(g *generator) simulated {
	var sum int64
	return simulated{
		next: func(int) (string, history.Value) {
			if g.random.IntN(3) == 0 {
				return "read", history.Nil
			}
			return "add", history.Int(1 + g.random.Int64N(3))
		},
		apply: func(op *history.Operation) bool {
			if d, ok := op.Input.AsInt(); ok {
				sum += d
			}
			op.Output = history.Int(sum)
			return true
		},
	}
}

type objectCase struct {
	model  Model
	object func(g *generator) simulated
	mangle func(g *generator, op *history.Operation, ops []history.Operation)
}

func objectCases() map[string]objectCase {
	return map[string]objectCase{
		"set":              {Set(), setObject, otherElements},
		"text":             {KVAppend(), textObject, otherText},
		"text with puts":   {KVAppend(), textWithPuts, otherText},
		"queue":            {Queue(), queueObject, otherAnswer},
		"lock":             {Lock(), lockObject(false), otherTime},
		"lock with tokens": {Lock(), lockObject(true), otherToken},
		"counter":          {Counter(), counterObject, otherAnswer},
	}
}

func (c objectCase) history(r *rand.Rand) []history.Operation {
	return objectHistory(r, c.object, c.mangle)
}

func TestObjectsAgreeWithPorcupine(t *testing.T) {
	for name, c := range objectCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAgreement(t, compareModel(t, c.model, 20, some(200_000), c.history, askExact))
			// With the general algorithms behind it: the verdicts are the same, and a conflict is illegal.
			requireAgreement(t, compareModel(t, c.model, 21, some(50_000), c.history, func(b *bounds, m *Model, ops []*history.Operation) (Verdict, bool) {
				d := decideObject(b, m, ops)
				if d.conflict != nil {
					require.Equal(t, Invalid, decidePorcupine(b, d.conflict, machineOf(m, d.conflict), 0), "of\n%s\nthe conflict is\n%s", listing(ops), listing(d.conflict))
				}
				return d.verdict, true
			}))
			requireAgreement(t, compareModel(t, c.model, 22, some(50_000), c.history, askFrontier))
		})
	}
}

// repeatedQueue is queueObject with few elements, so that most are enqueued more than once.
func repeatedQueue(g *generator) simulated {
	s := queueObject(g)
	next := s.next
	s.next = func(client int) (string, history.Value) {
		f, in := next(client)
		if f == "enqueue" {
			in = history.Int(1 + g.random.Int64N(3))
		}
		return f, in
	}
	return s
}

// Queues of few elements, with dequeues that crashed as well, are what porcupine says, and a conflict is illegal by itself.
func TestRepeatedQueuesAgreeWithPorcupine(t *testing.T) {
	t.Parallel()
	c := objectCase{Queue(), repeatedQueue, otherAnswer}
	requireAgreement(t, compareModel(t, c.model, 64, some(200_000), c.history, func(b *bounds, m *Model, ops []*history.Operation) (Verdict, bool) {
		v, conflict, _, ok := decideFIFO(b, ops)
		if few := numbered(ops, conflict); ok && v == Invalid {
			says := decidePorcupine(b, few, machineOf(m, few), 0)
			require.Equal(t, Invalid, says, "porcupine says %s of the conflict\n%s\nfound in\n%s", says, listing(few), listing(ops))
		}
		return v, ok
	}))
}

// Long queues of few elements are decided, legal or not.
func TestLongQueuesOfRepeatedElements(t *testing.T) {
	t.Parallel()
	for _, clients := range []int{2, 3, 8} {
		g := &generator{random: rand.New(rand.NewPCG(63, uint64(clients))), clients: clients, operations: 2_000}
		ops := g.simulate(repeatedQueue(g))
		judge := func() Result {
			return Linearizable(Queue()).Check(t.Context(), &history.History{Operations: ops}, Options{Memory: 1 << 30})
		}
		got := judge()
		require.Equal(t, Valid, got.Verdict, "%d clients: %s", clients, got.Reason)
		taken := 1_500 + slices.IndexFunc(ops[1_500:], func(op history.Operation) bool { return op.F == "dequeue" && !op.Output.IsNil() })
		before := ops[taken].Output
		ops[taken].Output = history.Int(99)
		got = judge()
		require.Equal(t, Invalid, got.Verdict, "%d clients: %s", clients, got.Reason)
		ops[taken].Output = before
		// Two elements are taken in the wrong order, before all that.
		wrong := []history.Operation{{F: "enqueue", Input: history.Int(1)}, {F: "enqueue", Input: history.Int(2)}, {F: "dequeue", Output: history.Int(2)}, {F: "dequeue", Output: history.Int(1)}}
		for i := range wrong {
			wrong[i].Type, wrong[i].Call, wrong[i].Return, wrong[i].Index = history.OK, time.Duration(2*i), time.Duration(2*i+1), i
		}
		for i := range ops {
			ops[i].Call, ops[i].Return, ops[i].Index = ops[i].Call+10, ops[i].Return+10, ops[i].Index+len(wrong)
		}
		ops = append(wrong, ops...)
		got = judge()
		require.Equal(t, Invalid, got.Verdict, "%d clients: %s", clients, got.Reason)
		require.LessOrEqual(t, len(got.Keys[0].Evidence), len(wrong))
	}
}

// A counter does not wrap: beyond 64 bits no answer fits it, and it may come back.
func TestCounterBeyond64Bits(t *testing.T) {
	at := func(i int, f string, in, out history.Value) history.Operation {
		return history.Operation{F: f, Input: in, Output: out, Call: time.Duration(2 * i), Return: time.Duration(2*i + 1), Type: history.OK, Index: i}
	}
	add := func(i int, d int64) history.Operation { return at(i, "add", history.Int(d), history.Nil) }
	judge := func(ops ...history.Operation) Verdict {
		return Linearizable(Counter()).Check(t.Context(), &history.History{Operations: ops}, Options{Memory: 1 << 30}).Verdict
	}
	most := int64(math.MaxInt64)
	require.Equal(t, Valid, judge(add(0, most), add(1, 1), add(2, -2), at(3, "read", history.Nil, history.Int(most-1))))
	require.Equal(t, Invalid, judge(add(0, most), at(1, "add", history.Int(1), history.Int(math.MinInt64))))
	require.Equal(t, Invalid, judge(at(0, "add", history.Int(most), history.Int(most)), at(1, "add", history.Int(most), history.Int(-2))))
}
