package harness

import (
	"context"
	"fmt"
	"maps"
	"os"
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

// judge seals the history, has it checked, and writes verdict and report. A run that ended before its history began is
// judged too: its folder says why there is nothing.
func (r *run) judge(ctx context.Context, out *Outcome) error {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx) // interrupted before: what there is, is checked; an interruption from here on ends the check
	}
	h, err := r.sealed()
	if err != nil {
		return err
	}
	f := Findings{Workload: r.test.Workload, Faults: r.owed, Problems: r.problems, Nodes: r.cluster.Nodes(), ServiceBound: r.test.ServiceBound,
		OperationTimeout: r.test.OperationTimeout, Unserved: r.unserved}
	if f.Faults == nil {
		f.Faults = SpecNames(r.test.Faults) // it did not come so far
	}
	if r.watch != nil {
		f.Crashes, f.Leaders = r.watch.found(), r.observer.leaders()
	}
	var results []checker.Result
	if h == nil {
		h = &history.History{}
	} else {
		out.History = h
		checkers, err := workloads.CheckersFor(r.test.Workload)
		if err != nil {
			return err
		}
		results = CheckAll(ctx, h, checkers, checker.Options{Timeout: r.bounds.check})
		if r.audited != nil {
			results = append(results, *r.audited)
		}
	}
	verdict := Judge(h, f, results...)
	if err := r.folder.WriteVerdict(verdict); err != nil {
		return err
	}
	out.Verdict = verdict
	if err := writeEvidence(r.folder, h, results); err != nil {
		r.log.Warn("the evidence is in the verdict only", "error", err)
	}
	if r.test.OnlyFailures && verdict.Verdict == checker.Valid {
		return nil
	}
	if err := report.Build(r.folder.Folder); err != nil {
		return fmt.Errorf("the verdict is written (%s), the report is not: %w", Summary(verdict), err)
	}
	return nil
}

// sealed is the history as it was read back from the disk; nil where there is none.
func (r *run) sealed() (*history.History, error) {
	if r.recorder == nil {
		return nil, nil
	}
	plain := r.folder.Path(store.HistoryFile)
	if info, err := os.Stat(plain); err == nil && info.Size() == 0 {
		return nil, nil // the disk did not take even its first line
	}
	h, err := history.Load(plain)
	if err != nil {
		return nil, fmt.Errorf("the history of this very run cannot be read back: %w", err)
	}
	if _, err := history.Seal(plain); err != nil {
		r.log.Warn("the history could not be compressed, and is left as it was written", "error", err)
	}
	return h, nil
}

// SpecNames are the faults in words.
func SpecNames(specs []nemesis.Spec) []string {
	var names []string
	for _, s := range specs {
		names = append(names, s.String())
	}
	return names
}

// Names of the harness's own checkers.
const (
	operationsChecker = "operations"
	faultsChecker     = "faults"
	nodesChecker      = "nodes"
	runChecker        = "run"
	serviceChecker    = "service"
)

// InvariantsChecker is the name under which the simulator's own findings stand in a verdict: invariants, and the want of progress.
const InvariantsChecker = "invariants"

// Findings are what is known of a run beside its history.
type Findings struct {
	Workload string
	Faults   []string // that have to take hold: "kill", "partition:bridge"
	Crashes  []string // nodes that ended by themselves
	Leaders  []store.Leadership
	Problems []string // what kept the run from being complete

	Nodes            []string
	ServiceBound     time.Duration // how long nothing may be served while a majority is alive and connected; 0: not judged
	OperationTimeout time.Duration
	Unserved         string // that nothing was served any more, though every fault was healed; empty: something was

	// OneOfMany: of the many runs of a campaign, each short and with chance for what is drawn. That no operation of one kind succeeded says
	// little about it, and the others count all the same.
	OneOfMany bool
}

// Judge puts the checker's results and the harness's own findings together. Invalid beats unknown beats valid.
func Judge(h *history.History, f Findings, results ...checker.Result) store.Verdict {
	t := readNemesis(h)
	v := store.Verdict{Faults: t.faults, Leaders: f.Leaders, Length: h.Length, ByF: map[string]store.Counts{}}
	count(h, &v)
	v.Results = append(slices.Clip(results), judgeRun(f), judgeNodes(f, t), judgeService(h, f), judgeOperations(h, v, f), judgeFaults(f.Faults, t))
	conclude(&v)
	return v
}

// JudgeHistory judges a history of which nothing more is known: by the checkers alone, but for one in which nothing succeeded.
func JudgeHistory(h *history.History, results ...checker.Result) store.Verdict {
	v := Judge(h, Findings{}, results...)
	v.Results = slices.Clone(results)
	if v.Operations.OK == 0 {
		v.Results = append(v.Results, checker.Result{Checker: operationsChecker, Verdict: checker.Unknown, Reason: "no operation succeeded"})
	}
	conclude(&v)
	return v
}

// JudgeUnread is the verdict on a history that could not be read within the limits of its check.
func JudgeUnread(why checker.Result) store.Verdict {
	v := store.Verdict{Results: []checker.Result{why}}
	conclude(&v)
	return v
}

// conclude sums the results up.
func conclude(v *store.Verdict) {
	v.Verdict = checker.Valid
	for i := range v.Results {
		r := &v.Results[i]
		switch r.Verdict {
		case checker.Valid, checker.Invalid, checker.Unknown:
		default: // a checker that forgot to decide must not pass for one that found nothing
			r.Verdict, r.Reason = checker.Unknown, fmt.Sprintf("the checker %s gave no verdict (%q)", r.Checker, r.Verdict)
		}
		v.Verdict = v.Verdict.And(r.Verdict)
	}
	v.Reason = reason(*v)
}

func reason(v store.Verdict) string {
	var why []string
	for _, r := range v.Results {
		if r.Verdict == v.Verdict && r.Checker == checker.Reading {
			return r.Reason // nothing else can be told
		}
		if r.Verdict == checker.Unknown && v.Verdict == r.Verdict && r.Checker == runChecker && v.Operations.OK == 0 {
			return r.Reason // all else follows from it
		}
		if r.Verdict == v.Verdict && r.Reason != "" {
			why = append(why, r.Reason)
		}
	}
	if v.Verdict == checker.Valid && len(why) == 0 {
		if slices.ContainsFunc(v.Results, func(r checker.Result) bool { return r.Checker == "transactions" }) {
			return checker.Transactions(v.Operations.OK, checker.StrictSerializable)
		}
		if v.Operations.OK == 1 {
			return "1 operation is linearizable"
		}
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

// fewest is how many of a kind's operations have to succeed, one in so many, before a verdict can speak of that kind.
const fewest = 100

// judgeOperations: a history in which next to nothing of some kind succeeded says nothing about it, and one in which nothing
// was written says nothing at all, since an empty store is always right.
func judgeOperations(h *history.History, v store.Verdict, found Findings) checker.Result {
	r := checker.Result{Checker: operationsChecker, Verdict: checker.Valid}
	var why []string
	if v.Operations.OK == 0 {
		why = append(why, "no operation succeeded")
	} else if !wrote(h, found.Workload) {
		why = append(why, "nothing was written: no operation that changes anything succeeded")
	}
	rare := rarelySucceeded(v)
	if found.OneOfMany {
		r.Warnings = rare
	} else {
		why = append(why, rare...)
	}
	if len(why) > 0 {
		r.Verdict, r.Reason = checker.Unknown, strings.Join(why, "; ")
	}
	return r
}

// rarelySucceeded names the kinds of operations of which next to none succeeded, where others did.
func rarelySucceeded(v store.Verdict) (kinds []string) {
	for _, f := range slices.Sorted(maps.Keys(v.ByF)) {
		c := v.ByF[f]
		total := c.OK + c.Fail + c.Info
		switch {
		case v.Operations.OK == 0:
		case c.OK == 0:
			kinds = append(kinds, fmt.Sprintf("of %d operations %s none succeeded", total, f))
		case c.OK*fewest < total:
			kinds = append(kinds, fmt.Sprintf("of %d operations %s only %d succeeded", total, f, c.OK))
		}
	}
	return kinds
}

// wrote tells whether an operation succeeded that may change something, where the workload's model can tell.
func wrote(h *history.History, workload string) bool {
	m, ok := workloads.ModelFor(workload)
	if !ok || m.ReadOnly == nil {
		return true
	}
	return slices.ContainsFunc(h.Operations, func(op history.Operation) bool { return op.Type == history.OK && !m.ReadOnly(&op) })
}

// judgeFaults: each fault asked for must have taken hold, by its evidence, while operations were under way, and at the end
// all must be gone.
func judgeFaults(asked []string, t torments) checker.Result {
	r := checker.Result{Checker: faultsChecker, Verdict: checker.Valid}
	var why []string
	for _, spec := range asked {
		fault, rest, _ := strings.Cut(spec, ":")
		mode, _, _ := strings.Cut(rest, ":")
		if strings.Contains(mode, "=") {
			mode = "" // parameters alone
		}
		if !slices.ContainsFunc(t.faults, func(f store.FaultInterval) bool {
			return f.Fault == fault && (mode == "" || f.Mode == mode) && f.Took && f.Overlaps > 0
		}) {
			why = append(why, fmt.Sprintf("no %s is known to have taken hold while operations were under way", strings.Join(strings.Fields(fault+" "+mode), " ")))
		}
	}
	if len(asked)+len(t.faults) > 0 && !t.whole {
		why = append(why, "the cluster is not known to have been whole after the faults: "+t.left)
	}
	for _, f := range t.faults {
		if !f.Took {
			r.Warnings = append(r.Warnings, describe(f)+" is not known to have taken hold and to have stood to its end")
		} else if !f.Healed {
			r.Warnings = append(r.Warnings, describe(f)+" is not known to have been healed at its time")
		}
	}
	if t.unreadable > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d events of the nemesis are not as ordeal writes them, and were passed over", t.unreadable))
	}
	if len(why) > 0 {
		r.Verdict, r.Reason = checker.Unknown, strings.Join(why, "; ")
	}
	return r
}

// judgeNodes: a node that ends by itself is broken, and so is a cluster with two leaders in one term (R2).
func judgeNodes(f Findings, t torments) checker.Result {
	r := checker.Result{Checker: nodesChecker, Verdict: checker.Valid}
	why := append(slices.Clone(f.Crashes), t.wrong...)
	early := false // two led one term before a fault that is beyond what can be survived
	for i := 1; i < len(f.Leaders); i++ {
		if a, b := f.Leaders[i-1], f.Leaders[i]; a.Term == b.Term && a.Node != b.Node {
			why = append(why, fmt.Sprintf("%s and %s both led term %d", a.Node, b.Node, a.Term))
			early = early || max(a.Start, b.Start) < t.beyondAt
		}
	}
	if len(why) > 0 {
		r.Verdict, r.Reason = checker.Invalid, strings.Join(why, "; ")
	}
	if len(why) > 0 && t.beyond != "" && !early && len(t.wrong) == 0 {
		r.Verdict = checker.Unknown
		r.Reason = fmt.Sprintf("votes and entries were lost, as was to be expected after %s: %s", t.beyond, r.Reason)
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
