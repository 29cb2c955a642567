package checker

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// confirmLimits are what porcupine may cost as the arbiter of keys that another algorithm decided. A key beyond them keeps
// the verdict of that algorithm alone.
type confirmLimits struct {
	first      bool          // porcupine alone decides most keys within the limits, and confirms some
	operations int           // of one key
	together   int           // operations of all keys
	cost       int64         // of one key, see searchCost
	steps      int64         // of one key
	memory     int64         // bytes, of one key
	keyTime    time.Duration // of one key
	time       time.Duration // of all keys
}

// usualConfirm is for hundreds of keys of some hundred operations, in about a second; a history of millions is not to
// take noticeably longer for it.
var usualConfirm = confirmLimits{
	first:      true,
	operations: 2_000, together: 100_000, cost: 40_000_000, steps: 2_000_000,
	memory: 64 << 20, keyTime: 250 * time.Millisecond, time: 2 * time.Second,
}

// confirmation is a question to porcupine: are these operations of a decided key what the algorithm says?
type confirmation struct {
	key      int // number of the object
	ops      []*history.Operation
	evidence bool // the evidence against the key alone
	cost     int64
	answer   Verdict // Unknown: porcupine could not afford to say
}

// confirmAll asks porcupine about the keys other algorithms decided, and about all evidence, the cheapest first, as far as
// the limits above and what is left of the run's time allow. Where porcupine disagrees, one of the two is wrong and the
// key is Unknown.
func (r *run) confirmAll() {
	if r.options.Unconfirmed || r.ctx.Err() != nil {
		return
	}
	questions := r.questions()
	if len(questions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.confirm.time)
	defer cancel()
	workers := r.workers(len(questions))
	inParallel(workers, len(questions), func(i int) { questions[i].answer = r.ask(ctx, &questions[i], workers) })
	r.settle(questions)
}

// questions are those porcupine can afford, the cheapest first.
func (r *run) questions() []confirmation {
	var all []confirmation
	add := func(q confirmation) {
		if len(q.ops) > r.confirm.operations {
			return
		}
		if q.cost = searchCost(q.ops); q.cost <= r.confirm.cost {
			all = append(all, q)
		}
	}
	for i := range r.results {
		k := &r.results[i]
		if k.Verdict == Unknown {
			continue
		}
		if k.DecidedBy != byPorcupine && !r.objects[i].asked && (!r.confirm.first || r.objects[i].confirm) {
			add(confirmation{key: i, ops: r.objects[i].ops})
		}
		if len(k.Evidence) > 0 {
			add(confirmation{key: i, ops: pointers(k.Evidence), evidence: true})
		}
	}
	slices.SortStableFunc(all, func(a, b confirmation) int { return cmp.Compare(a.cost, b.cost) })
	operations := 0
	for i := range all {
		if operations += len(all[i].ops); operations > r.confirm.together {
			return all[:i]
		}
	}
	return all
}

func pointers(operations []history.Operation) []*history.Operation {
	ops := make([]*history.Operation, len(operations))
	for i := range operations {
		ops[i] = &operations[i]
	}
	return ops
}

// searchCost estimates porcupine's search in words of memory looked at: each step looks at a bit set as long as the
// history, and the steps double with each operation that may go in any of two places. For that count half of the crashed
// operations, which stay open, and of the others as many as are open at once above what a search does without turning back.
func searchCost(ops []*history.Operation) int64 {
	const easy, hopeless = 6, 60
	crashed, most := 0, 0
	open := make([]time.Duration, 0, hopeless) // ends of the definite ones that are open
	for i, op := range ops {
		if i > 0 && op.Call < ops[i-1].Call {
			return searchCost(byCall(ops))
		}
		if op.Type != history.OK {
			crashed++
			continue
		}
		open = slices.DeleteFunc(open, func(end time.Duration) bool { return end < op.Call })
		if open = append(open, op.Return); len(open) == hopeless {
			return 1 << 62
		}
		most = max(most, len(open))
	}
	n := int64(len(ops))
	cost, doublings := n*(n/64+16), crashed/2+max(most-easy, 0)
	if bits.Len64(uint64(cost))+doublings > 62 {
		return 1 << 62
	}
	return cost << doublings
}

func byCall(ops []*history.Operation) []*history.Operation {
	return slices.SortedStableFunc(slices.Values(ops), func(a, b *history.Operation) int { return compareTimes(a.Call, b.Call) })
}

// confirmEvery is of how many keys that porcupine could decide one is decided by another algorithm and confirmed, so that
// real histories go on to hold these against porcupine.
const confirmEvery = 16

// chooseFirst chooses the keys that porcupine decides by itself: where it is quick, anything beside it only takes longer.
func (r *run) chooseFirst() {
	if !r.confirm.first || r.options.Unconfirmed {
		return
	}
	type candidate struct {
		o    *object
		cost int64
	}
	var all []candidate
	total := 0
	for _, o := range r.objects {
		if len(o.ops) > r.confirm.operations || o.bad != "" {
			continue
		}
		if cost := searchCost(o.ops); cost <= r.confirm.cost {
			all = append(all, candidate{o, cost})
			total += len(o.ops)
		}
	}
	if total > r.confirm.together {
		slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.cost, b.cost) })
	}
	operations := 0
	for i, c := range all {
		if operations += len(c.o.ops); operations > r.confirm.together {
			return
		}
		c.o.first = i%confirmEvery != confirmEvery-1
		c.o.confirm = !c.o.first
	}
}

// decideFirst asks porcupine where it is to be asked first; Unknown: another algorithm has to decide.
func (r *run) decideFirst(b *bounds, o *object) decision {
	if !o.first || o.asked || !b.fitsQuietly(porcupineNeeds(len(o.ops))) {
		return decision{verdict: Unknown}
	}
	o.asked = true
	first := b.part(r.firstTime(), r.confirm.memory)
	defer first.release()
	return decision{verdict: decidePorcupine(first, o.ops, machineOf(r.model, o.ops), r.confirm.steps), by: byPorcupine}
}

// firstTime is what porcupine may take before another algorithm decides a key: the steps of some models take long. 0: any time,
// where there is no exact one.
func (r *run) firstTime() time.Duration {
	if r.model.exact == nil {
		return 0
	}
	return 4 * r.confirm.keyTime
}

// ask is porcupine's answer within the limits.
func (r *run) ask(ctx context.Context, q *confirmation, workers int) (answer Verdict) {
	defer func() {
		if p := recover(); p != nil { // a model that panics said so when it was asked first
			answer = Unknown
		}
	}()
	limit := r.confirm.keyTime
	if key := r.options.KeyTimeout; key > 0 {
		if limit = min(limit, key-r.results[q.key].Elapsed); limit <= 0 {
			return Unknown
		}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	b := newBounds(ctx, min(r.confirm.memory, r.heap.share(workers)))
	defer b.release()
	defer r.heap.watch(b)()
	return decidePorcupine(b, q.ops, machineOf(r.model, q.ops), r.confirm.steps)
}

// settle writes porcupine's answers into the verdicts.
func (r *run) settle(questions []confirmation) {
	agreed := make(map[int]string)
	for _, q := range questions {
		k := &r.results[q.key]
		switch {
		case q.answer == Unknown || k.Verdict == Unknown:
		case q.answer != k.Verdict:
			disagree(k, &q)
		case q.evidence && agreed[q.key] == "":
			agreed[q.key] = "porcupine agrees on the evidence"
		case !q.evidence:
			agreed[q.key] = "porcupine agrees"
		}
	}
	for i, text := range agreed {
		if k := &r.results[i]; k.Verdict != Unknown && k.DecidedBy != byPorcupine {
			k.DecidedBy += ", " + text
		}
	}
}

// disagree withdraws a key's verdict. One that porcupine reached itself on the whole key stands, and only the evidence for it
// is withdrawn.
func disagree(k *KeyResult, q *confirmation) {
	if q.evidence && k.DecidedBy == byPorcupine {
		k.Reason, k.Evidence = "its operations fit in no legal order (a smaller set of them that was to show it does not, which is a bug in ordeal; please report it with the history)", nil
		return
	}
	what := "the key"
	if q.evidence {
		what = "the evidence against it"
	}
	k.Reason = fmt.Sprintf("THE CHECKERS DISAGREE, which is a bug in ordeal and no finding: %s says the key is %s, porcupine says %s is %s; please report it with the history",
		k.DecidedBy, k.Verdict, what, q.answer)
	k.Verdict, k.Evidence = Unknown, nil
}
