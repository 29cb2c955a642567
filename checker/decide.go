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
	byMatching  = "matching"  // queues: enqueues and dequeues matched in their order
	byHolds     = "holds"     // locks: who surely held it when
	byResult    = "results"   // counters: each result fits one place
	byTokens    = "tokens"    // locks: the order of the fencing tokens
	byPrefixes  = "prefixes"  // appended texts: the longest read is the order
)

// inSteps goes through the steps of an exact checker until one finds a conflict, or the bounds are reached.
func inSteps(b *bounds, steps ...func() (conflict []int32)) (Verdict, []int32) {
	for _, step := range steps {
		if b.stopped() {
			return Unknown, nil
		}
		if conflict := step(); conflict != nil {
			return Invalid, conflict
		}
	}
	return Valid, nil
}

// decision is what an algorithm found out about one object.
type decision struct {
	verdict  Verdict
	by       string
	conflict []*history.Operation // some operations that are illegal together; nil: not known
	base     *history.Operation   // of the conflict: it stands for all that was before the others; nil: they need no such
}

// decideObject decides the operations of one object. Algorithms that are exact and cheap go first. Where they do not
// apply porcupine is asked, in little memory and few steps: it ends at once on most histories. Then the frontier, whose
// memory does not grow with the history, and at last porcupine with all that is left.
func decideObject(b *bounds, m *Model, ops []*history.Operation) decision {
	cost := objectNeeds(m, ops)
	if !b.fits(cost) {
		return decision{verdict: Unknown}
	}
	b.charge(cost)
	defer b.charge(-cost)
	if m.exact != nil {
		if verdict, numbers, by, ok := m.exact(b, ops); ok {
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

// objectNeeds estimates the memory, in bytes, of the exact checkers and of making a model ready.
func objectNeeds(m *Model, ops []*history.Operation) int64 {
	const operation, element = 250, 24
	cost := int64(len(ops)) * operation
	if m.compile != nil { // its values are numbered as they are; to look at millions of them takes as long as to decide
		return cost
	}
	for _, op := range ops {
		if list, ok := op.Output.AsList(); ok {
			cost += int64(len(list)) * element
		}
	}
	return cost
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

const firstMemory = 128 << 20 // bytes of porcupine's first attempt

// firstSteps is how many steps porcupine's first attempt on n operations may take. Each step looks at a bit set as long as
// the history.
func firstSteps(n int) int64 {
	const words = 200_000_000
	return max(4*int64(n), words/int64(n/64+16))
}

func decideGeneral(b *bounds, m *Model, ops []*history.Operation, machine machine) decision {
	first := b.part(0, firstMemory)
	verdict := decidePorcupine(first, ops, machine, firstSteps(len(ops)))
	first.release()
	if verdict != Unknown || b.ended() {
		return decision{verdict: verdict, by: byPorcupine}
	}
	half := b.remaining() / 2
	if porcupineNeeds(len(ops)) > b.limit {
		half = 0 // nothing comes after the frontier
	}
	second := b.part(half, b.limit)
	verdict, numbers, base := decideFrontier(second, m, ops, machine)
	second.release()
	if verdict != Unknown || b.ended() {
		return byFrontierAt(ops, verdict, numbers, base)
	}
	return decision{verdict: decidePorcupine(b, ops, machine, 0), by: byPorcupine}
}

// byFrontierAt is what the frontier found out about the operations.
func byFrontierAt(ops []*history.Operation, verdict Verdict, numbers []int32, base int32) decision {
	d := decision{verdict: verdict, by: byFrontier, conflict: numbered(ops, numbers)}
	if base != noOperation {
		d.base = ops[base]
	}
	return d
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
