package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/history/importer"
	"github.com/ordeal-dev/ordeal/store"
)

// judgeBank judges a bank by what the accounts add up to, and where it is known what they held at first also by whether
// reads and transfers agree with real time: a read that is old adds up too.
func (f *checkFlags) judgeBank(ctx context.Context, h *history.History, o checker.Options) store.Verdict {
	h = importer.Bank(h)
	total := f.total
	var warnings []string
	read := slices.ContainsFunc(h.Operations, func(op history.Operation) bool { return op.F == "read" && op.Type == history.OK })
	if total == noTotal && read {
		total = importer.FirstTotal(h)
		warnings = append(warnings, fmt.Sprintf("the total, %d, was taken from the first read; --bank-total says what it has to be", total))
	}
	results := []checker.Result{checker.Bank(total).Check(ctx, h, o)}
	agree := ""
	if opened, ok := importer.Opened(h); ok {
		results = append(results, checker.Linearizable(checker.BankModel()).Check(ctx, opened, o))
		agree = " and agree with real time"
	} else if read {
		warnings = append(warnings, "reads were judged by what they add up to alone: none had returned before the first transfer was invoked, so nobody knows what the accounts held at first, and a read that is old goes unseen")
	}
	results[0].Warnings = append(slices.Clip(results[0].Warnings), warnings...)
	v := harness.JudgeHistory(h, results...)
	if v.Verdict == checker.Valid {
		v.Reason = fmt.Sprintf("%d reads of the accounts add up to %d%s", v.ByF["read"].OK, total, agree)
		if v.ByF["read"].OK == 1 {
			v.Reason = fmt.Sprintf("1 read of the accounts adds up to %d%s", total, strings.Replace(agree, "agree", "agrees", 1))
		}
	}
	return v
}
