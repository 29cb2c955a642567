package checker

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Linearizable checks each key of a history against the model.
func Linearizable(m Model) Checker { return &linearizable{model: m, confirm: usualConfirm} }

type linearizable struct {
	model   Model
	confirm confirmLimits
}

func (l *linearizable) Name() string { return "linearizable" }

func (l *linearizable) Check(ctx context.Context, h *history.History, o Options) Result {
	start := time.Now()
	ctx, cancel := o.within(ctx, "the time for all keys")
	defer cancel()
	r := &run{model: &l.model, options: o, confirm: l.confirm, ctx: ctx}
	r.objects = split(&l.model, h)
	r.results = make([]KeyResult, len(r.objects))
	r.heap = limitHeap(o.Memory)
	defer r.heap.release()
	r.decideAll()
	r.explainAll()
	r.confirmAll()
	slices.SortFunc(r.results, func(a, b KeyResult) int { return cmp.Compare(a.Key, b.Key) })
	result := Result{Checker: l.Name(), Model: l.model.Name, Keys: r.results, Warnings: h.Warnings}
	result.Verdict, result.Reason = summary(r.results)
	if !slices.ContainsFunc(r.results, func(k KeyResult) bool { return k.Operations > 0 }) {
		result.Warnings = append(slices.Clip(result.Warnings), "no operation completed: the verdict says nothing about the system")
	}
	result.Elapsed = time.Since(start)
	return result
}

// run is one check.
type run struct {
	model   *Model
	options Options
	confirm confirmLimits
	ctx     context.Context
	heap    *heapLimit
	objects []*object
	results []KeyResult // of the objects, in their order
}

// decideAll decides the keys in a pool of workers, long ones first. Each worker may use its share of the memory; keys
// that need more are tried again at the end, one at a time with all of it.
func (r *run) decideAll() {
	workers := r.workers(len(r.objects))
	order := make([]int, len(r.objects))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(r.objects[b].ops) - len(r.objects[a].ops) })

	again := r.pool(order, workers)
	if workers > 1 && len(again) > 0 {
		slices.Sort(again)
		r.pool(again, 1)
	}
}

// workers is how many work at once on so many jobs.
func (r *run) workers(jobs int) int {
	workers := r.options.Parallel
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return max(1, min(workers, jobs))
}

// pool decides the objects of these numbers and returns those that lacked memory.
func (r *run) pool(order []int, workers int) (lacked []int) {
	jobs := make(chan int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range jobs {
				result, oom := r.decide(r.objects[i], workers)
				r.results[i] = result
				if oom {
					mu.Lock()
					lacked = append(lacked, i)
					mu.Unlock()
				}
			}
		})
	}
	for _, i := range order {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	return lacked
}

// decide is the verdict on one key; oom tells that memory lacked.
func (r *run) decide(o *object, workers int) (result KeyResult, oom bool) {
	start := time.Now()
	result = KeyResult{Key: o.key, Verdict: Unknown, Operations: len(o.ops) - o.crashed, Crashed: o.crashed}
	defer func() {
		if p := recover(); p != nil {
			result.Verdict, result.Reason = Unknown, fmt.Sprintf("the model panicked: %v", p)
		}
		result.Elapsed = time.Since(start)
	}()
	if o.bad != "" {
		result.Reason = o.bad
		return result, false
	}
	ctx, cancel := withTimeout(r.ctx, r.options.KeyTimeout, "the time for one key")
	defer cancel()
	b := newBounds(ctx, r.heap.share(workers))
	defer b.release()
	defer r.heap.watch(b)()
	d := decideObject(b, r.model, o.ops)
	result.Verdict, result.DecidedBy = d.verdict, d.by
	o.conflict = d.conflict
	if result.Verdict == Unknown {
		result.Reason, result.DecidedBy = *b.why.Load(), ""
	}
	return result, b.oom.Load()
}

// summary is the verdict on all keys and a sentence about it.
func summary(keys []KeyResult) (Verdict, string) {
	verdict, count := Valid, map[Verdict]int{}
	var first KeyResult // with the verdict
	for _, k := range keys {
		count[k.Verdict]++
		if all := verdict.And(k.Verdict); all != verdict {
			verdict, first = all, k
		}
	}
	if verdict == Valid {
		return Valid, ""
	}
	reason := first.Reason
	if first.Key != "" || len(keys) > 1 {
		reason = "key " + strconv.Quote(first.Key) + ": " + reason
	}
	if more := count[verdict] - 1; more > 0 {
		reason += fmt.Sprintf(" (and %s of %d)", moreOf(more, "key"), len(keys))
	}
	return verdict, reason
}

// moreOf is "1 more key", "2 more keys".
func moreOf(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d more %s", n, thing)
}
