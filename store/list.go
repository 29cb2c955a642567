package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
)

// Summary is a run in a list of runs.
type Summary struct {
	Folder     string          `json:"folder"`
	Name       string          `json:"name"`
	Started    time.Time       `json:"started"`
	Test       Test            `json:"test"`
	Verdict    checker.Verdict `json:"verdict,omitempty"` // empty: the run goes on still, or was ended before its verdict
	Reason     string          `json:"reason,omitempty"`
	Operations Counts          `json:"operations"`
	Error      string          `json:"error,omitempty"` // what could not be read, for people; the rest of the summary holds
}

// Folders are the folders of the runs under root, oldest first. A root that does not exist holds no runs.
func Folders(root string) ([]string, error) {
	if _, err := os.ReadDir(root); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return runsBelow(root), nil
}

// List summarizes every run under root, the latest first. A folder that cannot be read is listed with its error: one
// broken run does not hide the others. A root that does not exist holds no runs.
func List(root string) ([]Summary, error) {
	folders, err := Folders(root)
	if err != nil {
		return nil, err
	}
	var all []Summary
	for _, folder := range folders {
		all = append(all, (&Run{Folder: folder}).Summary())
	}
	slices.SortStableFunc(all, func(a, b Summary) int { return b.Started.Compare(a.Started) })
	return all, nil
}

// Summary is what a list shows of the run.
func (r *Run) Summary() Summary {
	s := Summary{Folder: r.Folder, Name: filepath.Base(filepath.Dir(r.Folder))}
	s.Started = startedByName(filepath.Base(r.Folder))
	var problems []error
	if t, err := r.Test(); err == nil {
		s.Test = t
		if t.Name != "" {
			s.Name = t.Name
		}
		if !t.Started.IsZero() {
			s.Started = t.Started
		}
	} else {
		problems = append(problems, err)
	}
	if v, err := r.headline(); err == nil {
		s.Verdict, s.Reason, s.Operations = v.Verdict, v.Reason, v.Operations
	} else if !errors.Is(err, fs.ErrNotExist) {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		s.Error = err.Error()
	}
	return s
}

type headline struct {
	Verdict    checker.Verdict `json:"verdict"`
	Reason     string          `json:"reason"`
	Operations Counts          `json:"operations"`
}

// headline reads the verdict without its keys and evidence, which may be many.
func (r *Run) headline() (headline, error) {
	var h headline
	path := r.Path(VerdictFile)
	b, err := readFile(path, "no verdict yet")
	if err != nil {
		return h, err
	}
	if err := Decode(path, b, &h); err != nil {
		return headline{}, err
	}
	if err := checkVerdict(h.Verdict); err != nil {
		return headline{}, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// startedByName reads the time a folder is named after; zero where it is named otherwise.
func startedByName(folder string) time.Time {
	if len(folder) > len(TimeLayout) {
		folder = folder[:len(TimeLayout)] // -2, -3: runs of the same millisecond
	}
	t, err := time.Parse(TimeLayout, folder)
	if err != nil {
		return time.Time{}
	}
	return t
}
