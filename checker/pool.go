package checker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// decideAll decides the keys in a pool of workers. A hard key must not take the time of the others: each is tried quickly
// at first, then those that are left may have a slice of half of the time each, and what is not decided then shares what is
// left. Each worker may use its share of the memory; keys that need more are tried again at the end, one at a time with all
// of it.
//
// Where a key is invalid so is the whole, whatever the others are: hard ones get only a little more time then, unless the
// options give each key its own.
func (r *run) decideAll() {
	workers := r.workers(len(r.objects))
	order := make([]int, len(r.objects))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(r.objects[b].ops) - len(r.objects[a].ops) }) // long ones first
	r.chooseFirst()
	r.deciding = r.ctx
	var again undecided
	if len(order) > workers {
		again = r.pool(order, workers, r.quickly(workers))
		order = again.late
		r.explainAll()
	}
	defer r.hurryOnce()()
	slice := r.slices(len(order), workers)
	again = again.then(r.pool(order, workers, func(int) time.Duration { return slice }))
	r.explainAll()
	again = again.then(r.pool(again.late, workers, r.rest(len(again.late), workers)))
	if workers > 1 && len(again.lacked) > 0 {
		r.pool(again.lacked, 1, r.rest(len(again.lacked), 1))
	}
	r.explainAll()
}

// usualAfterInvalid is what hard keys may take after one was found to be invalid.
const usualAfterInvalid = 10 * time.Second

// hurryOnce has the deciding end soon once a key is invalid, or now where one is already; the returned function ends it.
func (r *run) hurryOnce() (end func()) {
	// settled is the cause for which hard keys are left.
	settled := limitReached{fmt.Sprintf("not decided in the %v that hard keys get once another is invalid; a time for each key gives it more", r.afterInvalid)}
	switch {
	case r.options.KeyTimeout > 0:
		return func() {}
	case slices.ContainsFunc(r.results, func(k KeyResult) bool { return k.Verdict == Invalid }):
		r.deciding, end = context.WithTimeoutCause(r.ctx, r.afterInvalid, settled)
		return end
	}
	deciding, cancel := context.WithCancelCause(r.ctx)
	r.deciding = deciding
	r.hurry = sync.OnceFunc(func() { time.AfterFunc(r.afterInvalid, func() { cancel(settled) }) })
	return func() { cancel(nil) }
}

// workers is how many work at once on so many jobs.
func (r *run) workers(jobs int) int {
	workers := r.options.Parallel
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return max(1, min(workers, jobs))
}

// undecided are the numbers of objects that are to be tried again.
type undecided struct {
	late   []int // their slice of the time was over
	lacked []int // memory lacked
}

// then is what is left after these were tried once more.
func (u undecided) then(next undecided) undecided {
	return undecided{late: next.late, lacked: append(u.lacked, next.lacked...)}
}

// usualQuick is what any key may take while all are tried quickly, besides a little for each of its operations.
const usualQuick = 200 * time.Millisecond

// leastSlice is what any key may take at first.
const leastSlice = 20 * time.Millisecond

// quickly is what a key may take while all are tried quickly: many times what an easy one needs, also where much else runs on
// the machine, and no more than its slice.
func (r *run) quickly(workers int) func(i int) time.Duration {
	most := r.slices(len(r.objects), workers)
	return func(i int) time.Duration {
		if r.quick == 0 {
			return most
		}
		quick := r.quick + time.Duration(len(r.objects[i].ops))*100*time.Microsecond
		if most > 0 {
			quick = min(quick, most)
		}
		return quick
	}
}

// slices gives each key the same part of half the time; the time a key may take itself, 0: all there is.
func (r *run) slices(keys, workers int) time.Duration {
	left, bounded := r.left()
	if !bounded || keys <= workers {
		return 0
	}
	return max(left/2*time.Duration(workers)/time.Duration(keys), leastSlice)
}

// rest divides what is left of the time among the keys that are left whenever one begins.
func (r *run) rest(keys, workers int) func(int) time.Duration {
	var mu sync.Mutex
	return func(int) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		rounds := (keys + workers - 1) / workers
		keys--
		left, bounded := r.left()
		if !bounded || rounds <= 1 {
			return 0
		}
		return max(left/time.Duration(rounds), time.Millisecond)
	}
}

// left is the time that is left; bounded tells whether it ends.
func (r *run) left() (left time.Duration, bounded bool) {
	end, ok := r.deciding.Deadline()
	return max(time.Until(end), time.Millisecond), ok
}

// pool decides the objects of these numbers, each in a slice of the time.
func (r *run) pool(order []int, workers int, slice func(i int) time.Duration) (again undecided) {
	var mu sync.Mutex
	inParallel(workers, len(order), func(n int) {
		i := order[n]
		result, late, lacked := r.decide(i, workers, slice(i))
		mu.Lock()
		defer mu.Unlock()
		r.results[i] = result
		if late {
			again.late = append(again.late, i)
		} else if lacked {
			again.lacked = append(again.lacked, i)
		}
	})
	slices.Sort(again.late)
	slices.Sort(again.lacked)
	return again
}

// inParallel calls job with each number below n, by so many workers.
func inParallel(workers, n int, job func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			job(i)
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// sliceOver is the cause for which a key that may be tried again was left.
type sliceOver struct{ limitReached }

// decide is the verdict on one key; late tells that its slice of the time was over (0: it has none), lacked that memory
// lacked.
func (r *run) decide(i, workers int, slice time.Duration) (result KeyResult, late, lacked bool) {
	start := time.Now()
	o, before := r.objects[i], r.results[i].Elapsed
	result = KeyResult{Key: o.key, Verdict: Unknown, Operations: len(o.ops) - o.crashed, Crashed: o.crashed}
	defer func() {
		if p := recover(); p != nil {
			result.Verdict, result.Reason = Unknown, fmt.Sprintf("the model panicked: %v", p)
		}
		result.Elapsed = before + time.Since(start)
	}()
	if o.bad != "" {
		result.Reason = o.bad
		return result, false, false
	}
	ctx, cancel := r.keyContext(before, slice)
	defer cancel()
	b := newBounds(ctx, r.heap.share(workers))
	defer b.release()
	defer r.heap.watch(b)()
	d := r.decideFirst(b, o)
	if d.verdict == Unknown && !b.ended() {
		d = decideObject(b, r.model, o.ops)
	}
	result.Verdict, result.DecidedBy = d.verdict, d.by
	o.conflict, o.base = d.conflict, d.base
	if result.Verdict == Invalid && r.hurry != nil {
		r.hurry()
	}
	if result.Verdict == Unknown {
		result.Reason, result.DecidedBy = *b.why.Load(), ""
		late = errors.As(context.Cause(ctx), new(sliceOver)) && !b.oom.Load()
	}
	return result, late, b.oom.Load()
}

// keyContext is the context of a key that took so much time before.
func (r *run) keyContext(before, slice time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := r.deciding, func() {}
	if key := r.options.KeyTimeout; key > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, max(key-before, 1), notWithin("the time for one key", key))
	}
	if slice <= 0 {
		return ctx, cancel
	}
	ctx, over := context.WithTimeoutCause(ctx, slice, sliceOver{limitReached{fmt.Sprintf("not decided within its share, %v, of the time for all keys", slice.Round(time.Millisecond))}})
	return ctx, func() { over(); cancel() }
}
