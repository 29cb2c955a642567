package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// patient lets porcupine take its time: what a test wants it to say must not depend on how busy the machine is.
var patient = confirmLimits{
	operations: 2_000, together: 1_000_000, cost: 1 << 62, steps: 1 << 40, memory: 1 << 30, keyTime: time.Hour, time: time.Hour,
}

func patientCheck(m Model, ops []history.Operation) Result {
	return (&linearizable{model: m, confirm: patient}).Check(context.Background(), &history.History{Operations: ops}, Options{})
}

func TestPorcupineConfirms(t *testing.T) {
	k := patientCheck(Register(), parseOperations(t, "0 put 1 [10, 20]\n1 get -> 1 [30, 40]")).Keys[0]
	require.Equal(t, "zones, porcupine agrees", k.DecidedBy)
	k = patientCheck(Register(), parseOperations(t, "0 put 1 [10, 20]\n1 get -> nil [30, 40]")).Keys[0]
	require.Equal(t, "zones, porcupine agrees", k.DecidedBy)
	require.Equal(t, Invalid, k.Verdict)

	h := &history.History{Operations: parseOperations(t, "0 put 1 [10, 20]")}
	k = Linearizable(Register()).Check(context.Background(), h, Options{Unconfirmed: true}).Keys[0]
	require.Equal(t, "zones", k.DecidedBy)
}

// A fast checker that is wrong must not be believed, whichever way it errs.
func TestDisagreementIsUnknown(t *testing.T) {
	legal := parseOperations(t, "0 put 1 [10, 20]\n1 get -> 1 [30, 40]")
	illegal := parseOperations(t, "0 put 1 [10, 20]\n1 get -> nil [30, 40]")
	wrong := func(v Verdict) Model {
		m := Register()
		m.exact = func(*bounds, []*history.Operation) (Verdict, []int32, string, bool) { return v, nil, "wrong", true }
		return m
	}
	for _, c := range []struct {
		says Verdict
		ops  []history.Operation
		want string
	}{
		{Valid, illegal, "wrong says the key is valid, porcupine says the key is invalid"},
		{Invalid, legal, "wrong says the key is invalid, porcupine says "},
	} {
		r := patientCheck(wrong(c.says), c.ops)
		require.Equal(t, Unknown, r.Verdict)
		require.Contains(t, r.Reason, "THE CHECKERS DISAGREE, which is a bug in ordeal")
		require.Contains(t, r.Reason, c.want)
		require.Empty(t, r.Keys[0].Evidence)
	}
	require.Equal(t, Valid, patientCheck(wrong(Valid), legal).Verdict, "here it is right")
}

// The evidence alone shows a wrong verdict too, where the key is too much for porcupine.
func TestDisagreementOnTheEvidence(t *testing.T) {
	ops := parseOperations(t, "0 put 1 [10, 20]\n1 get -> nil [30, 40]")
	h := &history.History{Operations: append(ops, parseOperations(t, "0 put 2 [50, 60]\n0 put 3 [70, 80]\n0 put 4 [90, 95]")...)}
	small := patient
	small.operations = 3
	check := &linearizable{model: Register(), confirm: small}
	r := check.Check(context.Background(), h, Options{})
	require.Equal(t, Invalid, r.Verdict)
	require.Equal(t, "zones, porcupine agrees on the evidence", r.Keys[0].DecidedBy)

	settled := KeyResult{Verdict: Invalid, DecidedBy: "zones", Evidence: ops}
	run := &run{results: []KeyResult{settled}}
	run.settle([]confirmation{{evidence: true, answer: Valid}, {answer: Invalid}})
	require.Equal(t, Unknown, run.results[0].Verdict)
	require.Contains(t, run.results[0].Reason, "zones says the key is invalid, porcupine says the evidence against it is valid")
}

// typical is a run as the harness makes it: keys of 400 operations by 5 clients each, some crashed.
func typical(keys int) *history.History {
	h := &history.History{}
	for k := range keys {
		var events []history.Event
		shape{operations: 400, keys: 1, clients: 5, crashed: k % 7, seed: uint64(k)}.record(func(e history.Event) { events = append(events, e) })
		ops, err := history.Operations(events)
		if err != nil {
			panic(err)
		}
		for i := range ops {
			ops[i].Key = fmt.Sprintf("k%02d", k)
		}
		h.Operations = append(h.Operations, ops...)
	}
	return h
}

// What a usual run holds is in reach of porcupine, by the estimate that chooses and by the steps it takes.
func TestATypicalRunIsConfirmed(t *testing.T) {
	usual := usualConfirm
	usual.keyTime, usual.time = time.Hour, time.Hour // not the machine's speed is tested, and no key is left for its slice of the time
	const keys = 70
	r := (&linearizable{model: Register(), confirm: usual}).Check(context.Background(), typical(keys), Options{Memory: 1 << 30})
	require.Equal(t, Valid, r.Verdict, r.Reason)
	alone, agreed := 0, 0
	for _, k := range r.Keys {
		switch {
		case k.DecidedBy == byPorcupine:
			alone++
		case strings.HasSuffix(k.DecidedBy, ", porcupine agrees"):
			agreed++
		}
	}
	require.GreaterOrEqual(t, alone+agreed, keys-2)
	require.Equal(t, keys/confirmEvery, agreed, "of some keys porcupine is the second opinion")
}

func TestConfirmationLimits(t *testing.T) {
	h := typical(8)
	for name, change := range map[string]func(*confirmLimits){
		"operations of a key": func(l *confirmLimits) { l.operations = 100 },
		"operations of all":   func(l *confirmLimits) { l.together = 300 },
		"estimated cost":      func(l *confirmLimits) { l.cost = 1000 },
		"steps":               func(l *confirmLimits) { l.steps = 50 },
		"memory":              func(l *confirmLimits) { l.memory = 10_000 },
		"time of a key":       func(l *confirmLimits) { l.keyTime = 1 },
		"time of all":         func(l *confirmLimits) { l.time = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			limits := patient
			change(&limits)
			r := (&linearizable{model: Register(), confirm: limits}).Check(context.Background(), h, Options{})
			require.Equal(t, Valid, r.Verdict, "a key porcupine cannot afford keeps its verdict")
			for _, k := range r.Keys {
				require.Equal(t, "chains", k.DecidedBy)
			}
		})
	}
	limits := patient
	limits.together = 900
	r := (&linearizable{model: Register(), confirm: limits}).Check(context.Background(), h, Options{})
	agreed := 0
	for _, k := range r.Keys {
		if k.DecidedBy != "chains" {
			agreed++
		}
	}
	require.Equal(t, 2, agreed, "as many keys as there is room for")
}

// The estimate puts what porcupine cannot do beyond what it may.
func TestSearchCost(t *testing.T) {
	m := Register()
	easy := searchCost(fit(&m, typical(1).Operations))
	hard := searchCost(fit(&m, contended(30, 1000, 0).Operations))
	crashes := searchCost(fit(&m, contended(5, 1000, 60).Operations))
	require.Less(t, easy, usualConfirm.cost)
	require.Greater(t, hard, usualConfirm.cost)
	require.Greater(t, crashes, usualConfirm.cost)
	require.Zero(t, searchCost(nil))
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		g := randomGenerator(r)
		require.LessOrEqual(t, searchCost(fit(&m, g.legal())), int64(1)<<62)
	}
}

func BenchmarkTypicalRun(b *testing.B) {
	h := typical(70)
	for _, unconfirmed := range []bool{false, true} {
		b.Run(fmt.Sprintf("unconfirmed=%v", unconfirmed), func(b *testing.B) {
			by := map[string]int{}
			for b.Loop() {
				r := Linearizable(Register()).Check(context.Background(), h, Options{Unconfirmed: unconfirmed})
				require.Equal(b, Valid, r.Verdict)
				clear(by)
				for _, k := range r.Keys {
					by[k.DecidedBy]++
				}
			}
			b.Logf("%v", by)
		})
	}
}

// A model whose steps take long does not keep a key from its exact algorithm.
func TestSlowStepsLeaveTheKeyToTheExactAlgorithm(t *testing.T) {
	m := Set()
	m.Step = func(ctx context.Context, s any, _ *history.Operation) (any, bool) {
		<-ctx.Done()
		return s, false
	}
	limits := usualConfirm
	limits.keyTime = time.Millisecond
	r := (&linearizable{model: m, confirm: limits}).Check(context.Background(), &history.History{Operations: parseOperations(t, "0 add 1 [10, 20]")}, Options{Timeout: 10 * time.Second})
	require.Equal(t, Valid, r.Verdict, r.Reason)
	require.Equal(t, byInclusion, r.Keys[0].DecidedBy)
}
