package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Linearizable checks each key of a history against the model.
func Linearizable(m Model) Checker {
	return &linearizable{model: m, confirm: usualConfirm, quick: usualQuick, afterInvalid: usualAfterInvalid}
}

type linearizable struct {
	model   Model
	confirm confirmLimits
	quick   time.Duration // what any key may take while all are tried quickly, see quickly; 0: all there is

	afterInvalid time.Duration // what hard keys may take once another is invalid
}

func (l *linearizable) Name() string { return "linearizable" }

func (l *linearizable) Check(ctx context.Context, h *history.History, o Options) Result {
	start := time.Now()
	ctx, cancel := o.within(ctx, "the time for all keys")
	defer cancel()
	r := &run{model: &l.model, options: o, confirm: l.confirm, quick: l.quick, afterInvalid: l.afterInvalid, ctx: ctx}
	r.objects = split(&l.model, h)
	r.results = make([]KeyResult, len(r.objects))
	r.heap = limitHeap(o.Memory)
	defer r.heap.release()
	r.decideAll()
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
	quick   time.Duration
	ctx     context.Context
	heap    *heapLimit
	objects []*object

	afterInvalid time.Duration

	deciding context.Context // ctx, or less of it once the verdict on all is known
	hurry    func()          // ends it soon; nil: while all are tried quickly
	results  []KeyResult     // of the objects, in their order

	explained int // keys
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
