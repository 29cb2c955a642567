package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// checkTimeout bounds the judging of one run.
const checkTimeout = 5 * time.Minute

// judge seals the history, has it checked, and writes verdict and report.
func (r *run) judge(ctx context.Context) (*Outcome, error) {
	out := &Outcome{Run: r.folder}
	path, err := history.Seal(r.folder.Path(store.HistoryFile))
	if err != nil {
		return out, err
	}
	h, err := history.Load(path)
	if err != nil {
		return out, fmt.Errorf("the history of this very run cannot be read back: %w", err)
	}
	out.History = h
	c, err := workloads.CheckerFor(r.test.Workload)
	if err != nil {
		return out, err
	}
	out.Verdict = Judge(h, Findings{Kinds: kinds(r.test.Faults), Crashes: r.watch.found(), Leaders: r.observer.leaders(), Problems: r.problems},
		c.Check(ctx, h, checker.Options{Timeout: checkTimeout}))
	if err := r.folder.WriteVerdict(out.Verdict); err != nil {
		return out, err
	}
	return out, report.Build(r.folder.Folder)
}

func kinds(specs []nemesis.Spec) []string {
	var names []string
	for _, s := range specs {
		if !slices.Contains(names, s.Fault) {
			names = append(names, s.Fault)
		}
	}
	return names
}

// Names of the harness's own checkers.
const (
	operationsChecker = "operations"
	faultsChecker     = "faults"
	nodesChecker      = "nodes"
	runChecker        = "run"
)

// Findings are what the harness saw beside the history.
type Findings struct {
	Kinds    []string // of faults that were asked for
	Crashes  []string // nodes that ended by themselves
	Leaders  []store.Leadership
	Problems []string // what kept the run from being complete
}

// Judge puts the checker's results and the harness's own findings together. Invalid beats unknown beats valid.
func Judge(h *history.History, f Findings, results ...checker.Result) store.Verdict {
	v := store.Verdict{Faults: FaultIntervals(h), Leaders: f.Leaders, Length: h.Length, ByF: map[string]store.Counts{}}
	count(h, &v)
	v.Results = append(results, judgeOperations(v), judgeFaults(f.Kinds, v.Faults), judgeNodes(f), judgeRun(f))
	conclude(&v)
	return v
}

// conclude sums the results up.
func conclude(v *store.Verdict) {
	v.Verdict = checker.Valid
	for _, r := range v.Results {
		v.Verdict = v.Verdict.And(r.Verdict)
	}
	v.Reason = reason(*v)
}

func reason(v store.Verdict) string {
	var why []string
	for _, r := range v.Results {
		if r.Verdict == v.Verdict && r.Reason != "" {
			why = append(why, r.Reason)
		}
	}
	if v.Verdict == checker.Valid && len(why) == 0 {
		return fmt.Sprintf("%d operations are linearizable", v.Operations.OK)
	}
	return strings.Join(why, "; ")
}

func count(h *history.History, v *store.Verdict) {
	for i := range h.Operations {
		op := &h.Operations[i]
		c := v.ByF[op.F]
		add(&c, op.Type)
		v.ByF[op.F] = c
		add(&v.Operations, op.Type)
	}
}

func add(c *store.Counts, t history.Type) {
	switch t {
	case history.OK:
		c.OK++
	case history.Fail:
		c.Fail++
	default:
		c.Info++
	}
}

// judgeOperations: a history in which nothing of some kind ever succeeded says nothing about it.
func judgeOperations(v store.Verdict) checker.Result {
	r := checker.Result{Checker: operationsChecker, Verdict: checker.Valid}
	if v.Operations.OK == 0 {
		r.Verdict, r.Reason = checker.Unknown, "no operation succeeded"
		return r
	}
	for f, c := range v.ByF {
		if c.OK == 0 {
			r.Verdict, r.Reason = checker.Unknown, fmt.Sprintf("of %d operations %s none succeeded", c.Fail+c.Info, f)
		}
	}
	return r
}

// judgeFaults: each kind of fault asked for must have taken hold, by its evidence, while operations were open, and every
// fault must be gone at the end.
func judgeFaults(kinds []string, faults []store.FaultInterval) checker.Result {
	r := checker.Result{Checker: faultsChecker, Verdict: checker.Valid}
	var why []string
	for _, kind := range kinds {
		if !slices.ContainsFunc(faults, func(f store.FaultInterval) bool { return f.Fault == kind && f.Took && f.Overlaps > 0 }) {
			why = append(why, fmt.Sprintf("no %s is known to have taken hold while operations were under way", kind))
		}
	}
	for _, f := range faults {
		switch {
		case !f.Took:
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s %s (%s) is not known to have taken hold", f.Fault, f.Mode, f.Text))
		case !f.Healed:
			why = append(why, fmt.Sprintf("%s %s (%s) is not known to have been healed", f.Fault, f.Mode, f.Text))
		}
	}
	if len(why) > 0 {
		r.Verdict, r.Reason = checker.Unknown, strings.Join(why, "; ")
	}
	return r
}

// judgeNodes: a node that ends by itself is broken, and so is a cluster with two leaders in one term (R2).
func judgeNodes(f Findings) checker.Result {
	r := checker.Result{Checker: nodesChecker, Verdict: checker.Valid}
	why := slices.Clone(f.Crashes)
	for i := 1; i < len(f.Leaders); i++ {
		if a, b := f.Leaders[i-1], f.Leaders[i]; a.Term == b.Term && a.Node != b.Node {
			why = append(why, fmt.Sprintf("%s and %s both led term %d", a.Node, b.Node, a.Term))
		}
	}
	if len(why) > 0 {
		r.Verdict, r.Reason = checker.Invalid, strings.Join(why, "; ")
	}
	return r
}

func judgeRun(f Findings) checker.Result {
	r := checker.Result{Checker: runChecker, Verdict: checker.Valid}
	if len(f.Problems) > 0 {
		r.Verdict, r.Reason = checker.Unknown, strings.Join(f.Problems, "; ")
	}
	return r
}
