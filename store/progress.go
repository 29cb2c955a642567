package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Progress is how far a run is that is under way. Its file is there only while the harness lives: one that was killed
// leaves the last it wrote, and Updated tells that nobody writes any more.
type Progress struct {
	Phase     string        `json:"phase"`
	Updated   time.Time     `json:"updated"`
	Elapsed   time.Duration `json:"elapsed_ns"` // of the part with clients; 0 before it
	Duration  time.Duration `json:"duration_ns"`
	OK        int64         `json:"ok"`
	Fail      int64         `json:"fail"`
	Info      int64         `json:"info"`
	PerSecond float64       `json:"per_second"` // operations completed lately
	Leader    string        `json:"leader,omitempty"`
	Faults    []string      `json:"faults,omitempty"` // in force now
}

// ProgressBeat is how often a harness that lives writes its progress at least.
const ProgressBeat = time.Second

// Alive tells that the run's harness has been heard of lately.
func (p Progress) Alive(now time.Time) bool { return now.Sub(p.Updated) < 10*ProgressBeat }

// WriteProgress replaces the run's progress. It is not made durable: nothing depends on it, and the disk is the nodes'.
func (r *Run) WriteProgress(p Progress) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	beside := filepath.Join(r.Folder, "."+ProgressFile)
	if err := os.WriteFile(beside, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	return os.Rename(beside, r.Path(ProgressFile))
}

// RemoveProgress ends the run's progress: it is over.
func (r *Run) RemoveProgress() error {
	if err := os.Remove(r.Path(ProgressFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the progress: %w", err)
	}
	return nil
}

// Progress reads how far the run is. The error is fs.ErrNotExist where it is over, or was made before runs told.
func (r *Run) Progress() (Progress, error) {
	path := r.Path(ProgressFile)
	b, err := readFile(path, "the run is over")
	if err != nil {
		return Progress{}, err
	}
	return DecodeProgress(path, b)
}

// DecodeProgress reads a progress; path is where it came from, for errors.
func DecodeProgress(path string, b []byte) (Progress, error) {
	var p Progress
	return p, Decode(path, b, &p)
}
