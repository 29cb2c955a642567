package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// inSomeOrder tries every order of the operations, and every choice of the crashed ones, by the definition.
func inSomeOrder(m *Model, ops []*history.Operation, done []bool, s any) bool {
	complete := true
	for i, op := range ops {
		if done[i] {
			continue
		}
		complete = complete && op.Type != history.OK
		if mustWait(ops, done, op) {
			continue
		}
		if next, ok := m.Step(context.Background(), s, op); ok {
			done[i] = true
			if inSomeOrder(m, ops, done, next) {
				return true
			}
			done[i] = false
		}
	}
	return complete
}

// mustWait tells whether an operation that is not done returned before this one was called.
func mustWait(ops []*history.Operation, done []bool, op *history.Operation) bool {
	for i, other := range ops {
		if !done[i] && other != op && returned(other) < op.Call {
			return true
		}
	}
	return false
}

// The arbiter itself, with its crashed operations, brake and compiled model, against the definition.
func TestPorcupineAgreesWithTheDefinition(t *testing.T) {
	t.Parallel()
	m, b := Register(), unbounded(t)
	r := rand.New(rand.NewPCG(7, 8))
	count := map[Verdict]int{}
	for range some(200_000) {
		g := repeating(r)
		g.unique, g.operations, g.crashes = r.IntN(2) == 0, 1+r.IntN(6), 0.3
		ops := fit(&m, g.history())
		want := Invalid
		if inSomeOrder(&m, ops, make([]bool, len(ops)), m.Init()) {
			want = Valid
		}
		require.Equal(t, want, decidePorcupine(b, ops, machineOf(&m, ops), 0), "%s", listing(ops))
		count[want]++
	}
	require.Greater(t, count[Valid], some(10_000))
	require.Greater(t, count[Invalid], some(10_000))
}

// Whatever algorithm decides, the verdict is porcupine's.
func TestDecisionsAgreeWithPorcupine(t *testing.T) {
	t.Parallel()
	a := compare(t, 9, some(200_000), func(r *rand.Rand) generator {
		if r.IntN(2) == 0 {
			return randomGenerator(r)
		}
		return repeating(r)
	}, func(b *bounds, m *Model, ops []*history.Operation) (Verdict, bool) {
		return decideObject(b, m, ops).verdict, true
	})
	requireAgreement(t, a)
}

// contended is a history porcupine cannot decide in time and memory: one key, many clients, values that repeat.
func contended(clients, operations int, crashed int) *history.History {
	r := rand.New(rand.NewPCG(9, 10))
	g := generator{random: r, clients: clients, operations: operations, cas: true}
	h := &history.History{Operations: g.legal()}
	for i := range crashed {
		h.Operations[i*len(h.Operations)/crashed/2].Type = history.Info
	}
	return h
}

func TestBoundsGiveUnknown(t *testing.T) {
	m := Register()
	ops := fit(&m, contended(30, 3000, 0).Operations)
	machine := machineOf(&m, ops)

	ctx, cancel := withTimeout(context.Background(), 20*time.Millisecond, "the time for one key")
	defer cancel()
	late := newBounds(ctx, 8<<30)
	defer late.release()
	require.Equal(t, Unknown, decidePorcupine(late, ops, machine, 0))
	require.Equal(t, "not decided within the time for one key of 20ms", *late.why.Load())
	require.False(t, late.oom.Load())

	small := newBounds(context.Background(), 8<<20)
	defer small.release()
	require.Equal(t, Unknown, decidePorcupine(small, ops, machine, 0))
	require.Contains(t, *small.why.Load(), "of memory")
	require.True(t, small.oom.Load())

	tiny := newBounds(context.Background(), 1<<20)
	defer tiny.release()
	require.Equal(t, Unknown, decidePorcupine(tiny, ops, machine, 0))
	require.Contains(t, *tiny.why.Load(), "needs at least")

	steps := newBounds(context.Background(), 8<<30)
	defer steps.release()
	require.Equal(t, Unknown, decidePorcupine(steps, ops, machine, 100))

	narrow := newBounds(context.Background(), 256<<10)
	defer narrow.release()
	v, _, _ := decideFrontier(narrow, &m, ops, machine)
	require.Equal(t, Unknown, v)
	require.True(t, narrow.oom.Load())

	gone, cancelled := context.WithCancel(context.Background())
	cancelled()
	result := Linearizable(m).Check(gone, contended(30, 3000, 0), Options{})
	require.Equal(t, Unknown, result.Verdict)
	require.Contains(t, result.Reason, "canceled")
}

// One key beyond the bounds leaves the others' verdicts as they are, in every order.
func TestAKeyBeyondTheBoundsIsUnknownAlone(t *testing.T) {
	h := contended(30, 3000, 0)
	for i := range h.Operations {
		h.Operations[i].Key = "hard"
	}
	h.Operations = append(h.Operations, parseOperations(t, "0 put@good 1 [10, 20]\n0 put@bad 1 [10, 20]\n0 get@bad -> nil [30, 40]")...)
	result := Linearizable(Register()).Check(context.Background(), h, Options{Memory: int64(liveHeap()) + 1<<20})
	verdicts := map[string]Verdict{}
	for _, k := range result.Keys {
		verdicts[k.Key] = k.Verdict
	}
	require.Equal(t, map[string]Verdict{"bad": Invalid, "good": Valid, "hard": Unknown}, verdicts)
	require.Equal(t, Invalid, result.Verdict)
}

func TestAPanickingModelIsUnknown(t *testing.T) {
	m := sum()
	m.Step = func(context.Context, any, *history.Operation) (any, bool) { panic("no such state") }
	h := &history.History{Operations: parseOperations(t, "0 add 1 -> 1 [10, 20]")}
	result := Linearizable(m).Check(context.Background(), h, Options{})
	require.Equal(t, Unknown, result.Verdict)
	require.Contains(t, result.Reason, "the model panicked: no such state")

	m = sum()
	m.Init = func() any { return []int{1} } // not comparable
	result = Linearizable(m).Check(context.Background(), h, Options{})
	require.Equal(t, Unknown, result.Verdict)
	require.Contains(t, result.Reason, "the model panicked")
}

// The register as users see it and its compiled form are one model.
func TestCompiledRegisterIsTheModel(t *testing.T) {
	plain := Register()
	plain.compile = nil
	b, m := unbounded(t), Register()
	r := rand.New(rand.NewPCG(11, 12))
	for range some(200_000) {
		g := repeating(r)
		ops := fit(&m, g.history())
		require.Equal(t, decidePorcupine(b, ops, machineOf(&plain, ops), 0), decidePorcupine(b, ops, machineOf(&m, ops), 0), "%s", listing(ops))
	}
}

// States that grow with the history count as memory too.
func TestStatesCountAsMemory(t *testing.T) {
	m := KVAppend()
	var lines strings.Builder
	for i := range 500 {
		fmt.Fprintf(&lines, "0 append %q [%d, %d]\n", strings.Repeat("x", 100), 10*i, 10*i+5)
	}
	ops := fit(&m, parseOperations(t, lines.String()))
	b := newBounds(context.Background(), 5<<20) // all states together: 500 * 500 * 100 / 2 bytes
	defer b.release()
	require.Equal(t, Unknown, decidePorcupine(b, ops, machineOf(&m, ops), 0))
	require.True(t, b.oom.Load())
	require.Equal(t, Valid, decidePorcupine(unbounded(t), ops, machineOf(&m, ops), 0))
}

// Keys that are too hard must not take the time of those that are not, nor that of the evidence: a step of theirs ends only
// with its context. The first of them that is tried again ends the check.
func TestHardKeysLeaveTheOthersTheirTime(t *testing.T) {
	t.Parallel() // it waits, and takes no processor
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	tries := map[string]int{}
	m := sum()
	easy := m.Step
	m.Step = func(ctx context.Context, s any, op *history.Operation) (any, bool) {
		if !strings.HasPrefix(op.Key, "hard") {
			return easy(ctx, s, op)
		}
		if ctx.Err() != nil {
			return s, true
		}
		mu.Lock()
		if tries[op.Key]++; tries[op.Key] > 1 {
			cancel()
		}
		mu.Unlock()
		<-ctx.Done()
		return s, true
	}
	h := &history.History{}
	add := func(key, lines string) {
		for _, op := range parseOperations(t, lines) {
			op.Key = key
			h.Operations = append(h.Operations, op)
		}
	}
	for k := range 4 {
		add(fmt.Sprintf("hard%d", k), strings.Repeat("0 add 1 -> 1 [10, 20]\n", 9))
	}
	for k := range 20 {
		add(fmt.Sprintf("easy%02d", k), "0 add 1 -> 1 [10, 20]\n1 add 1 -> 2 [30, 40]")
	}
	add("wrong", "0 add 1 -> 1 [10, 20]\n1 add 1 -> 1 [30, 40]")
	result := Linearizable(m).Check(ctx, h, Options{Timeout: 50 * time.Second, Parallel: 2})
	for _, k := range result.Keys {
		switch {
		case strings.HasPrefix(k.Key, "hard"):
			require.Equal(t, Unknown, k.Verdict)
			require.Positive(t, tries[k.Key])
		case k.Key == "wrong":
			require.Equal(t, Invalid, k.Verdict, k.Reason)
			require.NotEmpty(t, k.Evidence)
		default:
			require.Equal(t, Valid, k.Verdict, "%s: %s", k.Key, k.Reason)
		}
	}
}

// Once a key is invalid the verdict on all is known, and hard keys get a little more time only, whatever limit there is.
func TestHardKeysEndSoonOnceOneIsInvalid(t *testing.T) {
	hard := contended(30, 3000, 0)
	for k := range 3 {
		for i := range 3000 {
			op := hard.Operations[i]
			op.Key = fmt.Sprint("hard", k)
			hard.Operations = append(hard.Operations, op)
		}
	}
	bad := func(f string, in, out history.Value, call time.Duration) history.Operation {
		return history.Operation{F: f, Key: "illegal", Input: in, Output: out, Call: call, Return: call + 1, Type: history.OK}
	}
	hard.Operations = append(hard.Operations, bad("put", history.Int(1), history.Nil, 1), bad("get", history.Nil, history.Int(2), 3))
	c := &linearizable{model: Register(), confirm: usualConfirm, quick: usualQuick, afterInvalid: 100 * time.Millisecond}
	r := c.Check(context.Background(), hard, Options{Memory: 1 << 30})
	require.Equal(t, Invalid, r.Verdict)
	require.True(t, slices.ContainsFunc(r.Keys, func(k KeyResult) bool {
		return k.Verdict == Unknown && strings.Contains(k.Reason, "once another is invalid")
	}), "%+v", r.Keys)
}
