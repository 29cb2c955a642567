package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/history/importer"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// judge is the verdict on a history by itself.
type judge func(ctx context.Context, h *history.History, o checker.Options) store.Verdict

const noTotal = math.MinInt64

// checkWorkloads are the names --workload takes.
func checkWorkloads() []string {
	names := slices.Collect(maps.Keys(checker.Models()))
	return slices.Sorted(slices.Values(append(names, "register", "list-append", "rw-register", "bank", "read-mostly")))
}

// judge is the one of the workload that the flags name, else of the one that fits the history.
func (f *checkFlags) judge(format importer.Format, h *history.History) (judge, error) {
	name, err := f.workload, error(nil)
	switch {
	case name == "" && format == importer.EDNLines && holdsText(h):
		name = "kv-append"
	case name == "":
		if name, err = inferred(h); err != nil {
			return nil, err
		}
	case name == "register":
		name = "cas-register"
	}
	list, err := checker.ListAppend(f.isolation)
	if err != nil {
		return nil, fmt.Errorf("--isolation: %w", err)
	}
	switch name {
	case "list-append":
		return f.judgeTransactions(list), nil
	case "rw-register":
		registers, err := checker.RWRegister(f.isolation)
		return f.judgeTransactions(registers), err
	case "bank":
		return f.judgeBank, nil
	case "read-mostly":
		return judgeWorkload(name)
	}
	model, ok := checker.Models()[name]
	if !ok {
		return nil, fmt.Errorf("--workload %s: no such workload; there are %s", name, strings.Join(checkWorkloads(), ", "))
	}
	return func(ctx context.Context, h *history.History, o checker.Options) store.Verdict {
		h = importer.For(name, h)
		return harness.JudgeHistory(h, checker.Linearizable(model).Check(ctx, h, o))
	}, nil
}

// judgeWorkload judges as a run of the workload is judged.
func judgeWorkload(workload string) (judge, error) {
	checkers, err := workloads.CheckersFor(workload)
	return func(ctx context.Context, h *history.History, o checker.Options) store.Verdict {
		var results []checker.Result
		for _, c := range checkers {
			results = append(results, c.Check(ctx, h, o))
		}
		return harness.JudgeHistory(h, results...)
	}, err
}

func (f *checkFlags) judgeTransactions(c checker.Checker) judge {
	return func(ctx context.Context, h *history.History, o checker.Options) store.Verdict {
		v := harness.JudgeHistory(h, c.Check(ctx, h, o))
		if v.Verdict == checker.Valid {
			v.Reason = checker.Transactions(v.Operations.OK, f.isolation)
		}
		return v
	}
}
