package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Recheck judges a run that is on disk again, from its history. What only the harness could see while it ran (crashed
// nodes, an interruption) is taken from the verdict it left; a run that left none did not finish, and cannot be valid.
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
	f, kept, err := findings(run, test)
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
	out.Verdict = judgeAgain(h, f, kept, results)
	return out, nil
}

// findings are what the harness saw, from the run's files, and its own results as it left them.
func findings(run *store.Run, test store.Test) (Findings, []checker.Result, error) {
	f := Findings{Workload: test.Workload, Faults: test.Faults, Nodes: test.Nodes, ServiceBound: test.ServiceBound, OperationTimeout: test.OperationTimeout}
	if test.Owed != nil {
		f.Faults = test.Owed
	}
	old, err := run.Verdict()
	if err != nil {
		f.Problems = []string{"the run did not finish, or goes on still: the harness left no verdict"}
		if !errors.Is(err, fs.ErrNotExist) {
			f.Problems = []string{err.Error()}
		}
		f.Leaders, err = leadersSeen(run)
		return f, nil, err
	}
	f.Leaders = old.Leaders
	var kept []checker.Result
	for _, name := range []string{nodesChecker, runChecker} {
		i := slices.IndexFunc(old.Results, func(r checker.Result) bool { return r.Checker == name })
		if i < 0 {
			f.Problems = append(f.Problems, fmt.Sprintf("%s has no result %q: what the harness saw is lost", run.Path(store.VerdictFile), name))
			continue
		}
		kept = append(kept, old.Results[i])
	}
	if i := slices.IndexFunc(old.Results, func(r checker.Result) bool { return r.Checker == serviceChecker }); i >= 0 {
		kept = append(kept, old.Results[i])
	}
	return f, kept, nil
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

// judgeAgain is Judge with the harness's own results as they were, unless what can be seen now is worse.
func judgeAgain(h *history.History, f Findings, kept, results []checker.Result) store.Verdict {
	v := Judge(h, f, results...)
	for _, old := range kept {
		i := slices.IndexFunc(v.Results, func(r checker.Result) bool { return r.Checker == old.Checker })
		if v.Results[i].Verdict.And(old.Verdict) == old.Verdict {
			v.Results[i] = old
		}
	}
	conclude(&v)
	return v
}

// Summary is one line about a verdict.
func Summary(v store.Verdict) string { return fmt.Sprintf("%s: %s", v.Verdict, v.Reason) }
