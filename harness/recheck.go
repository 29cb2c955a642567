package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Recheck judges a run that is on disk again, from its history. What only who made the run could see (crashed nodes, an interruption,
// the replicas, a simulator's invariants) is taken from the verdict it left, whatever it is called: only what is computed again is left
// out of that. A run that left none did not finish, and cannot be valid.
func Recheck(ctx context.Context, run *store.Run, o checker.Options) (*Outcome, error) {
	out := &Outcome{Run: run}
	test, err := run.Test()
	if err != nil {
		return out, err
	}
	checkers, err := workloads.CheckersFor(test.Workload)
	if err != nil {
		return out, fmt.Errorf("%s: %w", run.Path(store.TestFile), err)
	}
	f, left, err := findings(run, test, computed(checkers))
	if err != nil {
		return out, err
	}
	h, results := &history.History{}, []checker.Result(nil)
	path, err := run.History()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Problems = append(f.Problems, fmt.Sprintf("there is no history: the run ended before its first operation; %s says why", run.Path(store.HarnessLogFile)))
	case err != nil:
		return out, err
	default:
		loading := checker.NewLoading(ctx, o)
		defer loading.Release()
		if h, err = history.LoadWithin(loading.Limits(), path); err != nil {
			unread, ok := loading.Unread(err)
			if !ok {
				return out, err
			}
			h, results = &history.History{}, []checker.Result{unread}
			break
		}
		out.History = h
		results = CheckAll(ctx, h, checkers, loading.Left())
	}
	out.Verdict = judgeAgain(h, f, left.results, results)
	if test.Cluster == simulated {
		out.Verdict.Leaders = left.leaders
	}
	return out, nil
}

// simulated is the kind of cluster that is simulated (package sim, which judges its runs with this package).
const simulated = "sim"

// carried is a result that cannot be had from the history, as the run left it, and says so.
func carried(old checker.Result) checker.Result {
	text := fmt.Sprintf("%s: %s, as the run left it; that cannot be computed again from the history", old.Checker, old.Verdict)
	if !slices.Contains(old.Warnings, text) {
		old.Warnings = append(slices.Clip(old.Warnings), text)
	}
	return old
}

// computed are the names of the checkers whose results do not outlive a new check.
func computed(checkers []checker.Checker) []string {
	names := []string{operationsChecker, faultsChecker, checker.Reading}
	for _, c := range checkers {
		names = append(names, c.Name())
	}
	return names
}

// recorded is what the verdict that a run left tells and that is not computed again.
type recorded struct {
	results []checker.Result
	leaders []store.Leadership
}

// findings are what the harness saw, from the run's files, and what it left on record.
func findings(run *store.Run, test store.Test, computed []string) (Findings, recorded, error) {
	f := Findings{Workload: test.Workload, Faults: test.Faults, Nodes: test.Nodes, ServiceBound: test.ServiceBound, OperationTimeout: test.OperationTimeout}
	if test.Owed != nil {
		f.Faults = test.Owed
	}
	needed := []string{nodesChecker, runChecker}
	if test.Cluster == simulated {
		needed = append(needed, InvariantsChecker)
		f.Faults = test.Owed // what is drawn from the seed ("swarm") is owed nothing
		_, err := os.Stat(run.Path(store.ScheduleFile))
		f.OneOfMany = errors.Is(err, fs.ErrNotExist) // as package sim judges a run that no nemesis torments
	}
	old, err := run.Verdict()
	if err != nil {
		f.Problems = []string{"the run did not finish, or goes on still: the harness left no verdict"}
		if !errors.Is(err, fs.ErrNotExist) {
			f.Problems = []string{err.Error()}
		}
		f.Leaders, err = leadersSeen(run)
		return f, recorded{}, err
	}
	if test.Cluster != simulated { // two of one term are the invariants' to notice there
		f.Leaders = old.Leaders
	}
	for _, name := range needed {
		if !slices.ContainsFunc(old.Results, func(r checker.Result) bool { return r.Checker == name }) {
			f.Problems = append(f.Problems, fmt.Sprintf("%s has no result %q: what was seen while it ran is lost", run.Path(store.VerdictFile), name))
		}
	}
	kept := slices.DeleteFunc(slices.Clone(old.Results), func(r checker.Result) bool { return slices.Contains(computed, r.Checker) })
	return f, recorded{results: kept, leaders: old.Leaders}, nil
}

// leadersSeen are the leaderships as far as the observations tell: they are noted only when something changes.
func leadersSeen(run *store.Run) ([]store.Leadership, error) {
	seen, err := run.Observations()
	var all []store.Leadership
	for _, o := range seen {
		if o.Role == leaderRole {
			all = extend(all, o)
		}
	}
	return all, err
}

// judgeAgain is Judge with the results that were kept as they were, unless what can be seen now is worse.
func judgeAgain(h *history.History, f Findings, kept, results []checker.Result) store.Verdict {
	v := Judge(h, f, results...)
	for _, old := range kept {
		i := slices.IndexFunc(v.Results, func(r checker.Result) bool { return r.Checker == old.Checker })
		switch {
		case i < 0:
			v.Results = append(v.Results, carried(old))
		case v.Results[i].Verdict.And(old.Verdict) == old.Verdict:
			v.Results[i] = old
		}
	}
	conclude(&v)
	return v
}

// Summary is one line about a verdict.
func Summary(v store.Verdict) string { return fmt.Sprintf("%s: %s", v.Verdict, v.Reason) }
