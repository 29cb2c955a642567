package harness

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
)

// CheckAll has every checker judge the history. What a checker finds wrong only after a fault that is more than a replicated log can
// survive is no finding: data was to be lost, and the result says so.
func CheckAll(ctx context.Context, h *history.History, checkers []checker.Checker, o checker.Options) []checker.Result {
	ctx, cancel := o.Within(ctx)
	defer cancel()
	var x expectations
	if slices.ContainsFunc(h.Nemesis, func(e history.Event) bool { return bytes.Contains(e.Detail, []byte(`"beyond"`)) }) { // seldom
		x = readExpectations(h, nil)
	}
	var results []checker.Result
	lost := false
	for _, c := range checkers {
		r := c.Check(ctx, h, o)
		if x.beyond != "" && r.Verdict == checker.Invalid {
			if before := c.Check(ctx, until(h, x.end), o); before.Verdict != checker.Invalid {
				r.Verdict, lost = checker.Unknown, true
				r.Reason = fmt.Sprintf("data was lost, as was to be expected: %s at %v is more than a replicated log can survive (after it: %s)",
					x.beyond, x.end.Round(time.Millisecond), r.Reason)
			}
		}
		results = append(results, r)
	}
	if x.beyond == "" || lost {
		return results
	}
	// It is true of the run, so the first checker that found nothing says it for all.
	if i := slices.IndexFunc(results, func(r checker.Result) bool { return r.Verdict == checker.Valid }); i >= 0 {
		results[i].Warnings = append(slices.Clip(results[i].Warnings), fmt.Sprintf("%s at %v is more than a replicated log can survive: data may be lost from there on, and none was seen to be",
			x.beyond, x.end.Round(time.Millisecond)))
	}
	return results
}

// until is the history as it would be if it had ended at the moment.
func until(h *history.History, end time.Duration) *history.History {
	cut := &history.History{Length: min(h.Length, end)}
	for _, op := range h.Operations {
		if op.Call >= end {
			continue
		}
		if op.Return > end {
			op.Type, op.Return, op.Output, op.Error = history.Info, history.Forever, history.Value{}, ""
		}
		cut.Operations = append(cut.Operations, op)
	}
	return cut
}
