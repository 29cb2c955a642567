package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// given tells what a test gives up.
type given struct {
	workloads.Generator
	sealed []string
}

func (g *given) Sealed() []string {
	sealed := g.sealed
	g.sealed = nil
	return sealed
}

func onlineEvents(lines ...history.Event) []history.Event {
	for i := range lines {
		lines[i].Index, lines[i].Time = i, time.Duration(i+1)
	}
	return lines
}

func put(process int, t history.Type, key string, v int64) history.Event {
	e := history.Event{Process: process, Type: t, F: "put", Key: key}
	if t == history.Invoke {
		e.Input = history.Int(v)
	}
	return e
}

func get(process int, t history.Type, key string, v history.Value) history.Event {
	e := history.Event{Process: process, Type: t, F: "get", Key: key}
	if t == history.OK {
		e.Output = v
	}
	return e
}

func newOnline(t *testing.T, g *given) *onlineCheck {
	c, err := newOnlineCheck(g, "register", time.Now())
	require.NoError(t, err)
	return c
}

// An object is looked at once it is given up and nothing of it is under way, not before.
func TestOnlineCheckFindsAViolation(t *testing.T) {
	g := &given{}
	c := newOnline(t, g)
	events := onlineEvents(
		put(0, history.Invoke, "a", 1), put(0, history.OK, "a", 0),
		get(1, history.Invoke, "a", history.Nil), get(2, history.Invoke, "a", history.Nil), get(1, history.OK, "a", history.Nil),
		get(2, history.OK, "a", history.Int(1)))
	look := func() (string, bool) {
		c.takeIn()
		c.sealed = append(c.sealed, g.Sealed()...)
		key, r, found := c.check(context.Background())
		require.Equal(t, found, r.Verdict == checker.Invalid)
		return key, found
	}
	for _, e := range events[:5] {
		c.note(&e)
	}
	_, found := look()
	require.False(t, found, "nothing is given up")
	g.sealed = []string{"a"}
	_, found = look()
	require.False(t, found, "an operation is under way")
	c.note(&events[5])
	key, found := look()
	require.True(t, found)
	require.Equal(t, "a", key)
	require.Equal(t, 1, c.checked)
	require.Empty(t, c.objects)
}

// Events that arrive out of order must not make a violation of a legal history: nobody looks beyond a gap.
func TestOnlineCheckWaitsForWhatIsMissing(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var events []history.Event
		for i := range 40 {
			v := int64(i + 1)
			events = append(events, put(0, history.Invoke, "a", v), put(0, history.OK, "a", 0),
				get(1, history.Invoke, "a", history.Nil), get(1, history.OK, "a", history.Int(v)))
		}
		onlineEvents(events...)
		g := &given{sealed: []string{"a"}}
		c := newOnline(t, g)
		var late []history.Event
		for i := 0; i < len(events) || len(late) > 0; {
			switch {
			case i < len(events) && rng.IntN(3) == 0:
				late = append(late, events[i])
				i++
			case len(late) > 0 && (i == len(events) || rng.IntN(2) == 0):
				c.note(&late[0])
				late = late[1:]
			default:
				c.note(&events[i])
				i++
			}
			if rng.IntN(5) == 0 {
				c.takeIn()
				c.sealed, c.gone = []string{"a"}, map[string]bool{}
				for key, o := range c.objects { // look at what is there, and go on with it
					_, _, found := (&onlineCheck{checkers: c.checkers, objects: map[string]*onlineObject{key: {operations: o.operations}}, sealed: []string{key}, gone: map[string]bool{}}).check(context.Background())
					require.False(t, found, "seed %d", seed)
				}
			}
		}
		c.takeIn()
		require.Len(t, c.objects["a"].operations, 80)
	}
}

// What comes of an object after it was looked at is left to the check at the end.
func TestOnlineCheckForgets(t *testing.T) {
	g := &given{sealed: []string{"a", "never used"}}
	c := newOnline(t, g)
	for _, e := range onlineEvents(put(0, history.Invoke, "a", 1), put(0, history.OK, "a", 0)) {
		c.note(&e)
	}
	c.takeIn()
	c.sealed = g.Sealed()
	_, _, found := c.check(context.Background())
	require.False(t, found)
	for i, e := range []history.Event{get(1, history.Invoke, "a", history.Nil), get(1, history.OK, "a", history.Nil)} {
		e.Index = 2 + i
		c.note(&e)
	}
	c.takeIn()
	require.Empty(t, c.objects)
	require.Equal(t, 4, c.next)
}

// A run ends at the first violation, long before its time, and is invalid.
func TestRunEndsAtTheFirstViolation(t *testing.T) {
	var mu sync.Mutex
	wrote := map[string]bool{}
	s := &memoryStore{script: func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
		mu.Lock()
		defer mu.Unlock()
		if op.F == "put" {
			wrote[op.Key] = true
		}
		// A read after a write that does not see it.
		return systems.Completion{Type: history.OK, Node: "n1"}, op.F == "get" && wrote[op.Key]
	}}
	test := memoryTest(t, s, "")
	test.Duration, test.Clients, test.Rate, test.CheckWhileRunning = 10*time.Minute, 5, 5000, true
	out, err := Run(t.Context(), test, newMemoryCluster(t, 3))
	require.NoError(t, err)
	require.Equal(t, checker.Invalid, out.Verdict.Verdict, out.Verdict.Reason)
	require.Contains(t, fmt.Sprint(out.Verdict.Results), "at the first violation, seen while the run went on")
}

// A run without a violation ends.
func TestRunThatIsCheckedMeanwhileEnds(t *testing.T) {
	test := memoryTest(t, &memoryStore{}, "")
	test.Duration, test.Clients, test.Rate, test.CheckWhileRunning = time.Second, 5, 2000, true
	out, err := Run(t.Context(), test, newMemoryCluster(t, 3))
	require.NoError(t, err)
	require.NotEqual(t, checker.Invalid, out.Verdict.Verdict, out.Verdict.Reason)
	require.NotContains(t, fmt.Sprint(out.Verdict.Results), "first violation")
}

// BenchmarkOnlineCheck is what an operation costs from its two events to the verdict on its object.
func BenchmarkOnlineCheck(b *testing.B) {
	g := &given{}
	c, err := newOnlineCheck(g, "register", time.Now())
	require.NoError(b, err)
	index, process := 0, 0
	note := func(e history.Event) {
		e.Index, e.Time = index, time.Duration(index)
		index++
		c.note(&e)
	}
	for n := 0; b.Loop(); n++ {
		key := fmt.Sprint("r", n/usualOperations)
		v := int64(n % usualOperations)
		process = (process + 1) % 5
		note(history.Event{Process: process, Type: history.Invoke, F: "put", Key: key, Input: history.Int(v + 1)})
		note(history.Event{Process: process, Type: history.OK, F: "put", Key: key, Node: "n1", LogIndex: uint64(n + 1)})
		if n%usualOperations == usualOperations-1 {
			g.sealed = append(g.sealed, key)
			c.takeIn()
			c.sealed = append(c.sealed, g.Sealed()...)
			_, r, found := c.check(context.Background())
			require.False(b, found, r.Reason)
		}
	}
}
