package campaign

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ordeal-dev/ordeal/checker"
)

// Merge puts campaigns of one plan, its shards above all, together as the campaign that one machine would have done, in a new folder.
// Kept folders are copied.
func Merge(into string, parts ...*Campaign) (*Campaign, error) {
	if len(parts) == 0 {
		return nil, errors.New("there is nothing to merge")
	}
	plan := parts[0].Plan
	plan.Shard = Shard{}
	from := map[key]*Campaign{}
	var runs []Run
	for _, c := range parts {
		if field := plan.differs(&c.Plan); field != "" {
			return nil, fmt.Errorf("%s and %s are not of one campaign; %s", parts[0].Folder, c.Folder, field)
		}
		plan.StopAtFirst = plan.StopAtFirst || c.Plan.StopAtFirst
		plan.Runs = mergedRuns(plan.Runs, c.Plan.Runs)
		if c.Plan.Started.Before(plan.Started) {
			plan.Started = c.Plan.Started
		}
		for _, r := range c.Runs {
			if other := from[r.key()]; other != nil {
				return nil, fmt.Errorf("run %d is in %s and in %s: the same shard twice would count double", r.Number, other.Folder, c.Folder)
			}
			from[r.key()] = c
			runs = append(runs, r)
		}
	}
	if err := apart(into, parts); err != nil {
		return nil, err
	}
	sortRuns(runs)
	merged, err := Create(into, plan)
	if err != nil {
		return nil, err
	}
	for i := range runs {
		if err := merged.copyFolder(from[runs[i].key()], &runs[i]); err != nil {
			return nil, errors.Join(err, merged.Close())
		}
	}
	if len(runs) > 0 {
		if err := merged.add(runs...); err != nil {
			return nil, errors.Join(err, merged.Close())
		}
	}
	return merged, merged.Close()
}

// apart says that a folder lies in a campaign that is to be merged into it: that campaign's own next session would take it for what an unfinished
// run left, and remove it.
func apart(into string, parts []*Campaign) error {
	target, err := whereItWillBe(into)
	if err != nil {
		return err
	}
	for _, c := range parts {
		source, err := whereItWillBe(c.Folder)
		if err != nil {
			return err
		}
		if within, err := filepath.Rel(source, target); err == nil && filepath.IsLocal(within) {
			return fmt.Errorf("the merged campaign would lie in %s, which is one of those that are merged: name a folder outside of it", c.Folder)
		}
	}
	return nil
}

// whereItWillBe is the absolute path of a folder that may not be there yet, with the links on the way to it followed.
func whereItWillBe(folder string) (string, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	missing := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, missing), nil
		}
		parent := filepath.Dir(path)
		if parent == path || !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		path, missing = parent, filepath.Join(filepath.Base(path), missing)
	}
}

// mergedRuns is how many runs of each cell a merged campaign is to have: no end beats any.
func mergedRuns(a, b int) int {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}

func (c *Campaign) copyFolder(from *Campaign, r *Run) error {
	if r.Folder == "" {
		return nil
	}
	source := from.path(runFolder(r.key()))
	if _, err := os.Stat(source); errors.Is(err, os.ErrNotExist) {
		return nil // it had to make room
	}
	if err := os.CopyFS(c.path(runFolder(r.key())), os.DirFS(source)); err != nil {
		return fmt.Errorf("copying the files of run %d: %w", r.Number, err)
	}
	return nil
}

// Repeated is how a run that was invalid came out when it was repeated: Again of Of times invalid.
type Repeated struct{ Again, Of int }

// Repetitions are those of all runs, by number.
func (c *Campaign) Repetitions() map[int]Repeated {
	all := map[int]Repeated{}
	for i := range c.Runs {
		r := &c.Runs[i]
		if r.Again == 0 || r.Verdict == checker.Unknown {
			continue // as in all rates: what came to no verdict says neither
		}
		n := all[r.Number]
		n.Of++
		if r.Verdict == checker.Invalid {
			n.Again++
		}
		all[r.Number] = n
	}
	return all
}

// Violations are the runs that were invalid, by number.
func (c *Campaign) Violations() []Run {
	var all []Run
	for i := range c.Runs {
		if r := &c.Runs[i]; r.Again == 0 && r.Verdict == checker.Invalid {
			all = append(all, *r)
		}
	}
	slices.SortFunc(all, func(a, b Run) int { return a.Number - b.Number })
	return all
}
