package checker

import (
	"context"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Bank checks that money neither appears nor vanishes: each read of all accounts adds up to the total, and no balance is
// negative. That is what snapshot isolation promises to a reader; it says nothing of real time.
//
//	transfer: input is [from, to, amount].
//	read: output is the list of [account, balance], all of them.
func Bank(total int64) Checker { return &bank{total: total} }

type bank struct{ total int64 }

func (c *bank) Name() string { return "bank" }

func (c *bank) Check(ctx context.Context, h *history.History, o Options) Result {
	start := time.Now()
	ctx, cancel := o.within(ctx, "the time for the check")
	defer cancel()
	result := Result{Checker: c.Name(), Verdict: Valid, Model: "bank", Warnings: h.Warnings}
	reads := 0
	for i := range h.Operations {
		op := &h.Operations[i]
		if i%1024 == 0 && ctx.Err() != nil {
			result.Verdict, result.Reason = Unknown, context.Cause(ctx).Error()
			break
		}
		if op.F != "read" || op.Type != history.OK {
			continue
		}
		reads++
		if verdict, why := c.judge(op); verdict != Valid {
			result.Verdict, result.Reason = verdict, why
			if verdict == Invalid {
				result.Anomalies = []Anomaly{{Name: "wrong-total", Level: SnapshotIsolation, Text: why, Operations: []history.Operation{*op}}}
			}
			break
		}
	}
	if reads == 0 && result.Verdict == Valid {
		result.Verdict, result.Reason = Unknown, "no read of the accounts completed, so there is nothing to judge by"
	}
	result.Elapsed = time.Since(start)
	return result
}

func (c *bank) judge(op *history.Operation) (Verdict, string) {
	accounts, ok := op.Output.AsList()
	var sum int64
	for _, a := range accounts {
		name, balance, pair := a.AsPair()
		n, isInt := balance.AsInt()
		if ok = ok && pair && isInt; !ok {
			break
		}
		if n < 0 {
			return Invalid, fmt.Sprintf("%s read a balance of %d in account %v", process(op), n, name)
		}
		sum += n
	}
	switch {
	case !ok:
		return Unknown, fmt.Sprintf("cannot judge operation %d: a read of a bank answers with a list of [account, balance], not %v", op.Index, op.Output)
	case sum != c.total:
		return Invalid, fmt.Sprintf("%s read accounts that add up to %d, not %d", process(op), sum, c.total)
	}
	return Valid, ""
}
