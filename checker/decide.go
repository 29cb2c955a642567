package checker

import (
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Names of the algorithms, as KeyResult.DecidedBy has them.
const (
	byPorcupine = "porcupine" // search with memory
	byChains    = "chains"    // unique values, with compare-and-set
	byZones     = "zones"     // unique values, without
	byLog       = "log-order" // the order of the log indices is a legal one
	byFrontier  = "frontier"  // all configurations, event by event
	byInclusion = "inclusion" // sets: each read holds the smaller ones
	byPatterns  = "patterns"  // queues: the patterns no legal one has
	byHolds     = "holds"     // locks: who surely held it when
	byResult    = "results"   // counters: each result fits one place
	byTokens    = "tokens"    // locks: the order of the fencing tokens
)

// decision is what an algorithm found out about one object.
type decision struct {
	verdict  Verdict
	by       string
	conflict []*history.Operation // some operations that are illegal together; nil: not known
}

// decideObject decides the operations of one object. Algorithms that are exact and cheap go first. Where they do not
// apply porcupine is asked, in little memory and few steps: it ends at once on most histories. Then the frontier, whose
// memory does not grow with the history, and at last porcupine with all that is left.
func decideObject(b *bounds, m *Model, ops []*history.Operation) decision {
	if m.exact != nil {
		if verdict, numbers, by, ok := m.exact(ops); ok {
			return decision{verdict: verdict, by: by, conflict: numbered(ops, numbers)}
		}
	}
	machine := machineOf(m, ops)
	if register, ok := machine.(*registerMachine); ok {
		if d, ok := decideUnique(b, ops, register); ok {
			return d
		}
		if kept := withoutUnseen(ops, register); len(kept) < len(ops) {
			ops = kept
			machine = machineOf(m, ops)
		}
	}
	if followsLog(b.ctx, m, ops, machine) {
		return decision{verdict: Valid, by: byLog}
	}
	return decideGeneral(b, m, ops, machine)
}

// decideUnique decides registers with unique values.
func decideUnique(b *bounds, ops []*history.Operation, m *registerMachine) (decision, bool) {
	verdict, numbers, ok := decideChains(b, ops, m)
	d := decision{verdict: verdict, by: byZones}
	for i := range m.ops {
		if m.ops[i].kind == registerCAS {
			d.by = byChains
			break
		}
	}
	d.conflict = numbered(ops, numbers)
	return d, ok
}

// numbered are the operations of these numbers; nil: there are none.
func numbered(ops []*history.Operation, numbers []int32) []*history.Operation {
	var some []*history.Operation
	for _, i := range numbers {
		some = append(some, ops[i])
	}
	return some
}

const (
	firstMemory = 128 << 20 // bytes of porcupine's first attempt
	firstSteps  = 100       // an operation
)

func decideGeneral(b *bounds, m *Model, ops []*history.Operation, machine machine) decision {
	first := b.part(0, firstMemory)
	verdict := decidePorcupine(first, ops, machine, int64(len(ops)+1000)*firstSteps)
	first.release()
	if verdict != Unknown || b.stopped() {
		return decision{verdict: verdict, by: byPorcupine}
	}
	half := b.remaining() / 2
	if porcupineNeeds(len(ops)) > b.limit {
		half = 0 // nothing comes after the frontier
	}
	second := b.part(half, b.limit)
	verdict, at := decideFrontier(second, m, ops, machine)
	second.release()
	if verdict == Invalid {
		return decision{verdict: Invalid, by: byFrontier, conflict: calledBy(ops, ops[at].Return)}
	}
	if verdict != Unknown || b.stopped() {
		return decision{verdict: verdict, by: byFrontier}
	}
	return decision{verdict: decidePorcupine(b, ops, machine, 0), by: byPorcupine}
}

// calledBy are the operations called up to a time.
func calledBy(ops []*history.Operation, end time.Duration) []*history.Operation {
	var called []*history.Operation
	for _, op := range ops {
		if op.Call <= end {
			called = append(called, op)
		}
	}
	return called
}

// part is bounds for an attempt within b's: with a time of its own (0: b's) and a memory of at most limit bytes.
func (b *bounds) part(d time.Duration, limit int64) *bounds {
	ctx, cancel := withTimeout(b.ctx, d, "a part of the time")
	p := newBounds(ctx, min(limit, b.limit-b.used))
	off := p.off
	p.off = func() bool { cancel(); return off() }
	p.parent = b
	return p
}

// remaining is the time left; 0: no end.
func (b *bounds) remaining() time.Duration {
	end, ok := b.ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(end), time.Millisecond)
}
