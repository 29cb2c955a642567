package checker

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Sessions measures, on registers, how old reads were and what each process could rely on (Terry et al., Session guarantees
// for weakly consistent replicated data, 1994). It judges nothing: linearizable reads are never old and keep all guarantees,
// and others promise none of this.
//
//	stale        a write that surely came after what was read had returned before the read was invoked
//	staleness    for how long it had, at least
//	read your writes, monotonic reads, monotonic writes, writes follow reads: how often a process saw the contrary
//
// What came after what is known from real time and from the processes, so the figures are lower bounds. Keys to which a
// value is written twice are left out.
func Sessions() Checker { return sessions{} }

type sessions struct{}

func (sessions) Name() string { return "sessions" }

func (c sessions) Check(ctx context.Context, h *history.History, o Options) Result {
	start := time.Now()
	ctx, cancel := o.within(ctx, "the time for the check")
	defer cancel()
	result := Result{Checker: c.Name(), Verdict: Valid}
	f := &sessionFigures{kinds: map[string]*kindFigures{}}
	left := 0
	for _, ops := range registersOf(h) {
		if ctx.Err() != nil {
			result.Warnings = append(result.Warnings, "the figures are not complete: "+context.Cause(ctx).Error())
			break
		}
		if !f.key(ops) {
			left++
		}
	}
	if left > 0 {
		result.Warnings = append(result.Warnings, fmt.Sprintf("keys to which a value is written twice, and which have no figures: %d", left))
	}
	result.Figures = f.figures()
	result.Elapsed = time.Since(start)
	return result
}

// registersOf are the operations on each key, by invocation, in the order of the keys' first use.
func registersOf(h *history.History) [][]*history.Operation {
	var keys [][]*history.Operation
	at := map[string]int{}
	for i := range h.Operations {
		op := &h.Operations[i]
		if op.F != "put" && op.F != "cas" && op.F != StaleRead && !isGet(op.F) {
			continue
		}
		n, ok := at[op.Key]
		if !ok {
			n = len(keys)
			at[op.Key] = n
			keys = append(keys, nil)
		}
		keys[n] = append(keys[n], op)
	}
	return keys
}

// kindFigures are those of one kind of reads.
type kindFigures struct {
	reads                                              int
	stale                                              []time.Duration
	ownWrites, monotonicReads, monotonicWrites, follow int
}

type sessionFigures struct{ kinds map[string]*kindFigures }

// sessionWrite is a write as far as its order is known. The absence of a value, which was there at first, is one.
type sessionWrite struct {
	call, ret time.Duration
	process   int
}

// sessionState is what a process did on one key until now.
type sessionState struct {
	wrote time.Duration // the latest call among its writes that returned
	saw   time.Duration // the latest call among the writes whose values it read
	last  string        // the value it read last
	read  map[string]time.Duration
}

// key measures one key; false: a value is written twice.
func (f *sessionFigures) key(ops []*history.Operation) bool {
	writes := map[string]sessionWrite{valueID(history.Nil): {beginning, beginning, -1}}
	var byCall []sessionWrite
	for _, op := range ops {
		wrote := registerMention(op).writes
		if isRead(op) || len(wrote) == 0 || op.Type == history.Fail {
			continue
		}
		id := valueID(wrote[0])
		if _, twice := writes[id]; twice {
			return false
		}
		writes[id] = sessionWrite{op.Call, returned(op), op.Process}
		byCall = append(byCall, writes[id])
	}
	slices.SortFunc(byCall, func(a, b sessionWrite) int { return compareTimes(a.call, b.call) })
	// first[i]: when the first of byCall[i:] returned.
	first := make([]time.Duration, len(byCall)+1)
	first[len(byCall)] = history.Forever
	for i := len(byCall) - 1; i >= 0; i-- {
		first[i] = min(first[i+1], byCall[i].ret)
	}
	// readBefore: when a process first read a value.
	processes := map[int]*sessionState{}
	state := func(process int) *sessionState {
		if processes[process] == nil {
			processes[process] = &sessionState{wrote: beginning, saw: beginning, read: map[string]time.Duration{}}
		}
		return processes[process]
	}
	for _, op := range ops { // a process has one operation at a time, so its operations are in order
		if op.Type != history.OK {
			continue
		}
		s := state(op.Process)
		if !isRead(op) {
			if len(registerMention(op).writes) > 0 {
				s.wrote = max(s.wrote, op.Call)
			}
			continue
		}
		id := valueID(op.Output)
		w, known := writes[id]
		if !known {
			continue // garbage is for the other checkers
		}
		k := f.kind(op.F)
		k.reads++
		after, _ := slices.BinarySearchFunc(byCall, w.ret, func(b sessionWrite, t time.Duration) int {
			if b.call <= t {
				return -1
			}
			return 1
		})
		if replaced := first[after]; replaced < op.Call {
			k.stale = append(k.stale, op.Call-replaced)
		}
		if s.wrote > w.ret {
			k.ownWrites++
		}
		if s.saw > w.ret {
			k.monotonicReads++
		}
		if before, ok := writes[s.last]; ok && s.last != id && before.process >= 0 {
			if w.process == before.process && w.call < before.call {
				k.monotonicWrites++
			}
			if writer := processes[before.process]; writer != nil {
				if at, read := writer.read[id]; read && at < before.call {
					k.follow++
				}
			}
		}
		s.saw, s.last = max(s.saw, w.call), id
		if _, ok := s.read[id]; !ok {
			s.read[id] = op.Return
		}
	}
	return true
}

func isRead(op *history.Operation) bool { return op.F == StaleRead || isGet(op.F) }

func (f *sessionFigures) kind(name string) *kindFigures {
	if f.kinds[name] == nil {
		f.kinds[name] = &kindFigures{}
	}
	return f.kinds[name]
}

func (f *sessionFigures) figures() []Figure {
	var all []Figure
	for _, name := range slices.Sorted(maps.Keys(f.kinds)) {
		k := f.kinds[name]
		count := func(what string, n int) { all = append(all, Figure{Name: name + " " + what, Value: float64(n)}) }
		count("reads", k.reads)
		count("stale reads", len(k.stale))
		if len(k.stale) > 0 {
			slices.Sort(k.stale)
			for _, q := range []struct {
				name string
				of   float64
			}{{"p50", 0.5}, {"p99", 0.99}, {"max", 1}} {
				d := k.stale[max(int(math.Ceil(q.of*float64(len(k.stale))))-1, 0)]
				all = append(all, Figure{Name: name + " staleness " + q.name, Value: float64(d) / float64(time.Millisecond), Unit: "ms"})
			}
		}
		for _, g := range []struct {
			name string
			n    int
		}{{"read-your-writes", k.ownWrites}, {"monotonic-reads", k.monotonicReads}, {"monotonic-writes", k.monotonicWrites}, {"writes-follow-reads", k.follow}} {
			if g.n > 0 {
				count("violations of "+g.name, g.n)
			}
		}
	}
	return all
}
