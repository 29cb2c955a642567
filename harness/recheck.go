package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

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
	path, err := run.History()
	if err != nil {
		return out, err
	}
	if out.History, err = history.Load(path); err != nil {
		return out, err
	}
	c, err := workloads.CheckerFor(test.Workload)
	if err != nil {
		return out, err
	}
	seen, others, err := findings(run, test)
	if err != nil {
		return out, err
	}
	out.Verdict = judgeAgain(out.History, seen, others, c.Check(ctx, out.History, o))
	return out, nil
}

// findings are what the harness saw, from the run's files, and its own results as it left them.
func findings(run *store.Run, test store.Test) (Findings, []checker.Result, error) {
	var f Findings
	for _, spec := range test.Faults {
		kind, _, _ := strings.Cut(spec, ":")
		if !slices.Contains(f.Kinds, kind) {
			f.Kinds = append(f.Kinds, kind)
		}
	}
	old, err := run.Verdict()
	if errors.Is(err, fs.ErrNotExist) {
		f.Problems = []string{"the run did not finish: the harness left no verdict"}
		return f, nil, nil
	}
	if err != nil {
		return f, nil, err
	}
	f.Leaders = old.Leaders
	var kept []checker.Result
	for _, r := range old.Results {
		if r.Checker == nodesChecker || r.Checker == runChecker {
			kept = append(kept, r)
		}
	}
	return f, kept, nil
}

// judgeAgain is Judge with the harness's own results as they were.
func judgeAgain(h *history.History, f Findings, kept []checker.Result, result checker.Result) store.Verdict {
	v := Judge(h, f, result)
	for _, old := range kept {
		i := slices.IndexFunc(v.Results, func(r checker.Result) bool { return r.Checker == old.Checker })
		v.Results[i] = old
	}
	conclude(&v)
	return v
}

// Summary is one line about a verdict.
func Summary(v store.Verdict) string { return fmt.Sprintf("%s: %s", v.Verdict, v.Reason) }
