package checker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

const (
	explainTime = 10 * time.Second // for the evidence of all keys
	explainKeys = 10               // keys that get evidence; the others of a broken run tell the same story
)

// explainAll adds evidence and a reason to the first invalid keys, in the order of their names, within what is left of
// the run's time.
func (r *run) explainAll() {
	ctx, cancel := context.WithTimeout(r.ctx, r.explainLimit())
	defer cancel()
	for _, i := range byKey(r.objects) {
		k := &r.results[i]
		if k.Verdict != Invalid || k.Reason != "" {
			continue
		}
		k.Reason = "its operations fit in no legal order"
		if r.explained++; r.explained <= explainKeys {
			r.explain(ctx, k, r.objects[i], r.heap.share(1))
		}
	}
}

// explainLimit leaves half of the time to keys that are not decided.
func (r *run) explainLimit() time.Duration {
	left, bounded := r.left()
	if bounded && slices.ContainsFunc(r.results, func(k KeyResult) bool { return k.Verdict == Unknown }) {
		return min(left/2, explainTime)
	}
	return explainTime
}

func (r *run) explain(ctx context.Context, k *KeyResult, o *object, memory int64) {
	at := decision{conflict: o.conflict, base: o.base}
	if at.conflict == nil { // porcupine decided; an exact checker can tell where to look
		b := newBounds(ctx, memory)
		at = decideObject(b, r.model, o.ops)
		b.release()
	}
	if at.conflict == nil && len(o.ops) > evidenceLimit { // or the frontier
		b := newBounds(ctx, memory)
		verdict, numbers, base := decideFrontier(b, r.model, o.ops, machineOf(r.model, o.ops))
		b.release()
		at = byFrontierAt(o.ops, verdict, numbers, base)
	}
	few := reduce(ctx, r.model, o.ops, at, memory)
	if len(few) > evidenceLimit {
		k.Reason = fmt.Sprintf("its operations fit in no legal order: the first %d of them that conflict end with %s's %s (too many to show; values that are written once would tell more)",
			len(few), process(lastReturned(few)), describeOperation(lastReturned(few)))
		return
	}
	if with := withWriters(r.model, few, o.ops); at.base == nil || isIllegal(ctx, r.model, with, memory) {
		few = with // a writer from before the base may have been concurrent with it, and make everything legal
	}
	for _, op := range few {
		k.Evidence = append(k.Evidence, *op)
	}
	k.Reason = reasonFor(r.model, few)
}

// lastReturned is the one of some operations that returned last, without those that never did.
func lastReturned(ops []*history.Operation) *history.Operation {
	last := ops[0]
	for _, op := range ops {
		if returned(op) != history.Forever && (op.Return > last.Return || returned(last) == history.Forever) {
			last = op
		}
	}
	return last
}

// withWriters adds to illegal operations the first write of each value they name and none of them writes, and so on: it
// was invoked too late, and a reader of the evidence wants to see that. Where that takes too many it adds none.
func withWriters(m *Model, few, all []*history.Operation) []*history.Operation {
	if m.values == nil {
		return few
	}
	with := slices.Clone(few)
	for len(with) < len(few)+writersLimit {
		w := missingWriter(m, with, all)
		if w == nil {
			return with
		}
		with = append(with, w)
	}
	return few
}

const writersLimit = 10

// missingWriter is a write in all of a value that some operation of few names and none of few writes; nil: there is none.
func missingWriter(m *Model, few, all []*history.Operation) *history.Operation {
	missing := map[string]bool{}
	for _, op := range few {
		for _, v := range m.values(op).names {
			missing[valueID(v)] = true
		}
	}
	for _, op := range few {
		for _, v := range m.values(op).writes {
			delete(missing, valueID(v))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	for _, op := range all {
		for _, v := range m.values(op).writes {
			if missing[valueID(v)] {
				return op
			}
		}
	}
	return nil
}

// evidenceLimit is how many operations a person may still want to read.
const evidenceLimit = 200

// reasonFor says in words why few operations have no legal order.
func reasonFor(m *Model, few []*history.Operation) string {
	if m.explain != nil {
		if text := m.explain(few); text != "" {
			return text
		}
	}
	if len(few) == 1 {
		return fmt.Sprintf("%s's %s is possible in no state", process(few[0]), describeOperation(few[0]))
	}
	if text := fitsNowhere(m, few); text != "" {
		return text
	}
	return fmt.Sprintf("these %d operations fit in no legal order", len(few))
}

// process names the process of an operation.
func process(op *history.Operation) string { return fmt.Sprintf("process %d", op.Process) }
