package checker

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// confirmLimits are what porcupine may cost as the arbiter of keys that another algorithm decided. A key beyond them keeps
// the verdict of that algorithm alone.
type confirmLimits struct {
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
	jobs := make(chan *confirmation)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for q := range jobs {
				q.answer = r.ask(ctx, q, workers)
			}
		})
	}
	for i := range questions {
		jobs <- &questions[i]
	}
	close(jobs)
	wg.Wait()
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
		if k.DecidedBy != byPorcupine {
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
	const easy = 6
	crashed, open := 0, 0
	var ends []time.Duration // of the definite ones
	for _, op := range ops {
		if op.Type != history.OK {
			crashed++
		} else {
			ends = append(ends, op.Return)
		}
	}
	slices.Sort(ends)
	calls := make([]time.Duration, 0, len(ends))
	for _, op := range ops {
		if op.Type == history.OK {
			calls = append(calls, op.Call)
		}
	}
	slices.Sort(calls)
	ended := 0
	for i, call := range calls {
		for ended < len(ends) && ends[ended] < call {
			ended++
		}
		open = max(open, i+1-ended)
	}
	n := int64(len(ops))
	cost, doublings := n*(n/64+16), crashed/2+max(open-easy, 0)
	if bits.Len64(uint64(cost))+doublings > 62 {
		return 1 << 62
	}
	return cost << doublings
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

// disagree withdraws a key's verdict.
func disagree(k *KeyResult, q *confirmation) {
	what := "the key"
	if q.evidence {
		what = "the evidence against it"
	}
	k.Reason = fmt.Sprintf("THE CHECKERS DISAGREE, which is a bug in ordeal and no finding: %s says the key is %s, porcupine says %s is %s; please report it with the history",
		k.DecidedBy, k.Verdict, what, q.answer)
	k.Verdict, k.Evidence = Unknown, nil
}
