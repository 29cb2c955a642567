package campaign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

// Names inside a campaign's folder.
const (
	PlanFile   = "campaign.json" // Plan
	RunsFile   = "runs.jsonl"    // Run, one a line
	RunsFolder = "runs"          // <number>/: the whole folder of a run that was kept
	lockFile   = ".lock"
)

// Campaign is a campaign's folder and what has been read of it.
type Campaign struct {
	Folder string
	Plan   Plan
	Runs   []Run // finished, in the order of the file

	lines *os.File // nil: only to be read
	lock  *os.File
}

// Create begins a campaign in a folder that has none yet.
func Create(folder string, p Plan) (*Campaign, error) {
	p.Format = format
	if err := p.Check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making the campaign's folder: %w", err)
	}
	c := &Campaign{Folder: folder, Plan: p}
	if err := c.hold(); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(c.path(PlanFile)); err == nil {
		return nil, errors.Join(fmt.Errorf("%s has a campaign already: --resume goes on with it", folder), c.Close())
	}
	if err := errors.Join(c.writePlan(), c.openLines()); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Open reads a campaign, finished or under way.
func Open(folder string) (*Campaign, error) {
	c, _, err := read(folder)
	return c, err
}

func read(folder string) (*Campaign, int64, error) {
	c := &Campaign{Folder: folder}
	path := c.path(PlanFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%s is not a campaign's folder: it has no %s; `ordeal torture` makes one: %w", folder, PlanFile, fs.ErrNotExist)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the campaign: %w", err)
	}
	if c.Plan, err = DecodePlan(path, b); err != nil {
		return nil, 0, err
	}
	b, err = os.ReadFile(c.path(RunsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // there is none where it was killed in its first moment
		return nil, 0, fmt.Errorf("reading the campaign: %w", err)
	}
	runs, whole, err := DecodeRuns(c.path(RunsFile), &c.Plan, b)
	c.Runs = runs
	return c, whole, err
}

// DecodePlan reads campaign.json; path is where it came from, for errors. Fields it does not know are passed over.
func DecodePlan(path string, b []byte) (Plan, error) {
	var p Plan
	if err := store.Decode(path, b, &p); err != nil {
		return Plan{}, err
	}
	if err := p.Check(); err != nil {
		return Plan{}, fmt.Errorf("%s: %w; restore the file, or begin a new campaign", path, err)
	}
	return p, nil
}

// Resume opens a campaign to go on with it: a torn last line is cut off, and what unfinished runs left is removed.
func Resume(folder string) (*Campaign, error) {
	c, _, err := read(folder)
	if err != nil {
		return nil, err
	}
	if err := c.hold(); err != nil {
		return nil, err
	}
	// Once more, now that nobody else writes.
	locked, whole, err := read(folder)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	locked.lock = c.lock
	c = locked
	if err := c.openLines(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := errors.Join(c.lines.Truncate(whole), c.removeUnfinished()); err != nil {
		return nil, errors.Join(fmt.Errorf("going on with %s: %w", folder, err), c.Close())
	}
	return c, nil
}

func (c *Campaign) path(name string) string { return filepath.Join(c.Folder, filepath.FromSlash(name)) }

// hold keeps every other process from adding to the campaign, until Close or this one's end.
func (c *Campaign) hold() (err error) {
	c.lock, err = os.OpenFile(c.path(lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("locking the campaign: %w", err)
	}
	if err := lock(c.lock); err != nil {
		_ = c.lock.Close()
		return fmt.Errorf("%s is being worked on by another process: wait for its end, or give this one a folder of its own (%w)", c.Folder, err)
	}
	return nil
}

func (c *Campaign) writePlan() error {
	b, err := json.MarshalIndent(c.Plan, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", c.path(PlanFile), err)
	}
	return store.WriteAtomically(c.path(PlanFile), append(b, '\n'))
}

// Extend changes how many runs of each cell there are to be.
func (c *Campaign) Extend(runs int) error {
	p := c.Plan
	p.Runs = runs
	if err := p.Check(); err != nil {
		return err
	}
	c.Plan = p
	return c.writePlan()
}

// stopsAtFirst makes it known, before there are any runs, that violations are to end the campaign early.
func (c *Campaign) stopsAtFirst() error {
	if c.Plan.StopAtFirst {
		return nil
	}
	c.Plan.StopAtFirst = true
	return c.writePlan()
}

// Stopped tells whether a violation ended the campaign, or a cell of it, before all its runs were done: that there is one is certain, but its
// rate is too high.
func (c *Campaign) Stopped() bool {
	total := c.Plan.Total()
	return c.Plan.StopAtFirst && len(c.Violations()) > 0 && (total == 0 || c.Counts().Runs < total)
}

func (c *Campaign) openLines() (err error) {
	if c.lines, err = os.OpenFile(c.path(RunsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
		return fmt.Errorf("writing the campaign: %w", err)
	}
	return nil
}

// add makes runs part of the campaign: they are on the disk when it returns.
func (c *Campaign) add(runs ...Run) error {
	var text []byte
	for i := range runs {
		line, err := runs[i].encode()
		if err != nil {
			return err
		}
		text = append(text, line...)
	}
	if _, err := c.lines.Write(text); err != nil {
		return fmt.Errorf("writing %s: %w", c.path(RunsFile), err)
	}
	if err := c.lines.Sync(); err != nil {
		return fmt.Errorf("writing %s: %w", c.path(RunsFile), err)
	}
	c.Runs = append(c.Runs, runs...)
	return nil
}

// Close lets go of the folder.
func (c *Campaign) Close() error {
	var errs []error
	for _, f := range []*os.File{c.lines, c.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	c.lines, c.lock = nil, nil
	return errors.Join(errs...)
}

// runFolder is where a run may leave its files, within the campaign's folder.
func runFolder(k key) string {
	if k.again > 0 {
		return fmt.Sprintf("%s/%06d-again-%d", RunsFolder, k.number, k.again)
	}
	return fmt.Sprintf("%s/%06d", RunsFolder, k.number)
}

// removeUnfinished removes folders that no line speaks of.
func (c *Campaign) removeUnfinished() error {
	var kept []string
	for i := range c.Runs {
		if r := &c.Runs[i]; r.Folder != "" {
			kept = append(kept, filepath.Base(runFolder(r.key())))
		}
	}
	entries, err := os.ReadDir(c.path(RunsFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !slices.Contains(kept, e.Name()) {
			if err := os.RemoveAll(c.path(RunsFolder + "/" + e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Counts is how many runs there are; repetitions count apart.
type Counts struct{ Runs, Invalid, Unknown, Repetitions int }

// Counts counts the runs.
func (c *Campaign) Counts() (n Counts) {
	for i := range c.Runs {
		switch r := &c.Runs[i]; {
		case r.Again > 0:
			n.Repetitions++
			continue
		case r.Verdict == checker.Invalid:
			n.Invalid++
		case r.Verdict == checker.Unknown:
			n.Unknown++
		}
		n.Runs++
	}
	return n
}

// Rounds is how many rounds have begun: a run of each cell is a round.
func (c *Campaign) Rounds() (n int) {
	for i := range c.Runs {
		n = max(n, c.Runs[i].Number/len(c.Plan.Cells())+1)
	}
	return n
}

// Verdict is that of the whole campaign: invalid beats unknown beats valid. Repetitions do not count, nor does a campaign without runs.
func (c *Campaign) Verdict() checker.Verdict {
	verdict, any := checker.Valid, false
	for i := range c.Runs {
		if c.Runs[i].Again == 0 {
			verdict, any = verdict.And(c.Runs[i].Verdict), true
		}
	}
	if !any {
		return checker.Unknown
	}
	return verdict
}
