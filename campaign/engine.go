package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
)

// Job is a run to be carried out.
type Job struct {
	Number, Again int
	Cell          Cell
	Version       Version
	VersionIndex  int // in the plan
	Seed          uint64
	Folder        string // where it may leave files; it is removed where they are not kept
	Repeats       string // folder of the run that is done again, where it was kept; empty: it was not, or this is no repetition
}

// Runner carries runs out, several at once where the campaign is parallel.
type Runner interface {
	// Run fills in what it found: the verdict and what follows it in Run. Run.Folder, where it left one, is a path below Job.Folder.
	// An error means that the harness failed, not the system; one with ErrCannot in it, that no run of this plan can be made here. When ctx
	// ends it comes back soon, and its run does not count.
	Run(ctx context.Context, job Job) (Run, error)
}

// ErrCannot is in the error of a run that cannot be made here at all, such as one with a fault that the cluster cannot do. It ends the campaign.
var ErrCannot = errors.New("such runs cannot be made here")

// Stop says when failures end a campaign early.
type Stop int

// Ways to go on, or not to, after a violation.
const (
	KeepGoing        Stop = iota
	StopAtFirst           // of the campaign
	StopCellsAtFirst      // a cell has no more runs once it had one
)

// Options say how a plan is carried out.
type Options struct {
	Parallel    int           // runs at once; at least 1
	For         time.Duration // no run begins after it; 0: until all are done
	Stop        Stop
	Reproduce   int              // how often an invalid run is repeated, with its seed and schedule
	KeepInvalid bool             // keep the folders of invalid runs
	KeepUnknown bool             // and of unknown ones
	MaxDisk     int64            // bytes that kept folders may take; 0: any
	Progress    func(p Progress) // called from one goroutine at a time, after each run
}

// tooManyFailures in a row, without a run that came to a verdict, end a campaign: the next one would fail as well.
const tooManyFailures = 5

// engine is a campaign being carried out.
type engine struct {
	campaign *Campaign
	options  Options
	runner   Runner
	disk     *disk

	mu       sync.Mutex
	settled  *sync.Cond     // a run that had begun is on the disk, with its consequences
	open     int            // runs that have begun and are not settled
	halted   bool           // nothing more begins: what is done could not be kept
	done     map[key]bool   // finished or begun
	next     int            // all numbers below have begun
	again    []key          // repetitions to do
	failed   map[Cell]bool  // that had a violation
	kept     map[int]string // folders of those, by the number of the run
	inARow   int
	progress Progress
}

// Carry carries out what is left of the campaign. An error means that the harness failed; what was done is on the disk. When ctx
// ends, runs under way do not count and are done when the campaign goes on.
func Carry(ctx context.Context, c *Campaign, runner Runner, o Options) error {
	if c.lines == nil {
		return errors.New("this campaign was opened to be read only")
	}
	if o.Stop != KeepGoing {
		if err := c.stopsAtFirst(); err != nil {
			return err
		}
	}
	begin := ctx
	if o.For > 0 {
		var cancel context.CancelFunc
		begin, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	e := &engine{campaign: c, options: o, runner: runner, done: map[key]bool{}, failed: map[Cell]bool{}, kept: map[int]string{}}
	e.settled = sync.NewCond(&e.mu)
	var err error
	if e.disk, err = newDisk(c, o.MaxDisk); err != nil {
		return err
	}
	e.takeIn()
	finished := make(chan finishedRun)
	var workers sync.WaitGroup
	for range max(1, o.Parallel) {
		workers.Go(func() { e.work(ctx, begin, finished) })
	}
	go func() { workers.Wait(); close(finished) }()
	return e.collect(ctx, finished)
}

// finishedRun is a run, or why there is none.
type finishedRun struct {
	run Run
	err error
}

// takeIn counts what was done before.
func (e *engine) takeIn() {
	e.progress = newProgress(&e.campaign.Plan)
	for i := range e.campaign.Runs {
		r := &e.campaign.Runs[i]
		e.done[r.key()] = true
		e.progress.add(r)
	}
	for i := range e.campaign.Runs {
		e.consequences(&e.campaign.Runs[i])
	}
	e.inARow = 0
}

// consequences are what a run means for those to come. Repetitions that are done already are not asked for again.
func (e *engine) consequences(r *Run) {
	switch {
	case r.Failed:
		e.inARow++
	default:
		e.inARow = 0
	}
	if r.Verdict != checker.Invalid || r.Again > 0 {
		return
	}
	e.failed[r.Cell] = true
	if r.Folder != "" {
		e.kept[r.Number] = e.campaign.path(r.Folder)
	}
	for n := 1; n <= e.options.Reproduce; n++ {
		if k := (key{r.Number, n}); !e.done[k] {
			e.again = append(e.again, k)
		}
	}
}

func (e *engine) work(ctx, begin context.Context, finished chan<- finishedRun) {
	for {
		job, ok := e.claim(begin)
		if !ok {
			return
		}
		finished <- e.carryOut(ctx, job)
	}
}

// claim takes the next job. Where there is none it waits for the runs under way: a violation among them calls for repetitions.
func (e *engine) claim(begin context.Context) (Job, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		job, ok := e.available(begin)
		if ok {
			e.open++
		}
		if ok || e.open == 0 {
			return job, ok
		}
		e.settled.Wait()
	}
}

// available is a job that can begin now: repetitions first. A number is given once.
func (e *engine) available(begin context.Context) (Job, bool) {
	if e.halted || begin.Err() == context.Canceled {
		return Job{}, false
	}
	if len(e.again) > 0 { // also when the time is up: a violation calls for them
		k := e.again[0]
		e.again = e.again[1:]
		e.done[k] = true
		return e.job(k), true
	}
	if begin.Err() != nil || e.options.Stop == StopAtFirst && len(e.failed) > 0 {
		return Job{}, false
	}
	p := &e.campaign.Plan
	if e.options.Stop == StopCellsAtFirst && len(e.failed) == p.cells() {
		return Job{}, false
	}
	for ; p.Runs == 0 || e.next < p.Runs*p.cells(); e.next++ {
		k := key{number: e.next}
		if !p.has(e.next) || e.done[k] || e.options.Stop == StopCellsAtFirst && e.failed[p.Cell(e.next)] {
			continue
		}
		e.done[k] = true
		return e.job(k), true
	}
	return Job{}, false
}

func (e *engine) job(k key) Job {
	p := &e.campaign.Plan
	cell := p.Cell(k.number)
	version := k.number % len(p.Versions)
	job := Job{Number: k.number, Again: k.again, Cell: cell, Version: p.Versions[version], VersionIndex: version, Seed: p.SeedOf(k.number),
		Folder: e.campaign.path(runFolder(k))}
	if k.again > 0 {
		job.Repeats = e.kept[k.number]
	}
	return job
}

func (e *engine) carryOut(ctx context.Context, job Job) finishedRun {
	started := time.Now()
	r, err := e.runner.Run(ctx, job)
	if errors.Is(err, ErrCannot) {
		return finishedRun{err: errors.Join(err, os.RemoveAll(e.campaign.path(runFolder(key{job.Number, job.Again}))))}
	}
	if err != nil {
		r.Verdict, r.Failed, r.Reason = checker.Unknown, true, "the harness failed: "+err.Error()
	}
	r.Number, r.Again, r.Cell, r.Seed, r.Started, r.Elapsed = job.Number, job.Again, job.Cell, job.Seed, started.UTC(), time.Since(started)
	switch r.Verdict {
	case checker.Valid:
		r.Reason = ""
	case checker.Invalid:
		e.hasFailed(job.Cell) // before this worker asks for its next job
	}
	return finishedRun{r, e.keep(&r)}
}

func (e *engine) hasFailed(cell Cell) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed[cell] = true
}

// keep removes the run's files unless they are to be kept.
func (e *engine) keep(r *Run) error {
	folder := runFolder(r.key())
	keep := r.Folder != "" && (r.Verdict == checker.Invalid && e.options.KeepInvalid || r.Verdict == checker.Unknown && e.options.KeepUnknown)
	if !keep {
		r.Folder = ""
		if err := os.RemoveAll(e.campaign.path(folder)); err != nil {
			return fmt.Errorf("removing the files of run %d: %w", r.Number, err)
		}
		return nil
	}
	within, err := relative(e.campaign.Folder, r.Folder)
	r.Folder = within
	return err
}

// collect writes down what the workers finish: several runs at once where they come fast, since each write is synced.
func (e *engine) collect(ctx context.Context, finished <-chan finishedRun) (err error) {
	for f := range finished {
		batch := []finishedRun{f}
		for more := true; more; {
			select {
			case f, ok := <-finished:
				if more = ok; ok {
					batch = append(batch, f)
				}
			default:
				more = false
			}
		}
		if err == nil { // after a failure the workers are only waited for
			if err = e.take(ctx, batch); err != nil {
				e.halt()
			}
		}
		e.settle(len(batch))
	}
	return err
}

func (e *engine) settle(runs int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open -= runs
	e.settled.Broadcast()
}

func (e *engine) halt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.halted = true
}

func (e *engine) take(ctx context.Context, batch []finishedRun) error {
	var runs []Run
	for _, f := range batch {
		if f.err != nil {
			return f.err
		}
		if ctx.Err() != nil && f.run.Verdict != checker.Invalid {
			// Cut short: what it would have come to is not known.
			if err := os.RemoveAll(e.campaign.path(runFolder(f.run.key()))); err != nil {
				return fmt.Errorf("removing the files of run %d: %w", f.run.Number, err)
			}
			continue
		}
		runs = append(runs, f.run)
	}
	if len(runs) == 0 {
		return nil
	}
	if err := e.campaign.add(runs...); err != nil {
		return err
	}
	e.mu.Lock()
	for i := range runs {
		e.consequences(&runs[i])
		e.progress.add(&runs[i])
	}
	inARow, progress := e.inARow, e.progress.clone()
	e.mu.Unlock()
	if err := e.disk.make(runs); err != nil {
		return err
	}
	if e.options.Progress != nil {
		e.options.Progress(progress)
	}
	if inARow >= tooManyFailures {
		return fmt.Errorf("the last %d runs failed, so the next would too: %s", inARow, runs[len(runs)-1].Reason)
	}
	return nil
}
