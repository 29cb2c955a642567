package harness

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/workloads"
)

// onlineCheck checks, while the run goes on, the objects that the generator has given up. What it looks at is always a
// beginning of the history: a violation in it is one of the whole. That it finds none says nothing, for the last reads are
// still to come, so the whole history is checked in the end all the same.
//
// It costs the workers a slice append for each event. All else is done by one goroutine, for one object at a time.
type onlineCheck struct {
	sealer   workloads.Sealer
	checkers []checker.Checker
	start    time.Time

	mu     sync.Mutex
	recent []history.Event // not taken in yet, about in order
	spare  []history.Event // its memory when it was looked at last

	waiting map[int]history.Event // by index: recent ones behind one that is not there yet
	next    int                   // index of the event that comes next
	objects map[string]*onlineObject
	open    map[int]openOperation // by process
	sealed  []string              // given up, with operations under way still
	gone    map[string]bool       // checked; what comes of them later is not looked at

	checked int           // objects
	spent   time.Duration // on checking
}

type onlineObject struct {
	operations []history.Operation
	open       int // operations under way
}

type openOperation struct {
	key    string
	number int
}

// usualOperations is about how many an object has until it is given up.
const usualOperations = 320

const (
	onlineEvery   = 100 * time.Millisecond
	onlineTimeout = 250 * time.Millisecond // for one object; one that takes longer is left to the check at the end
	onlineMemory  = 2 << 30
)

// newOnlineCheck is nil where the workload's generator does not tell what it has given up.
func newOnlineCheck(g workloads.Generator, workload string, start time.Time) (*onlineCheck, error) {
	sealer, ok := g.(workloads.Sealer)
	if !ok {
		return nil, nil
	}
	checkers, err := workloads.CheckersFor(workload)
	checkers = slices.DeleteFunc(checkers, func(c checker.Checker) bool { return c.Name() == checker.Sessions().Name() }) // it only measures
	return &onlineCheck{sealer: sealer, checkers: checkers, start: start, objects: map[string]*onlineObject{}, waiting: map[int]history.Event{},
		open: map[int]openOperation{}, gone: map[string]bool{}}, err
}

// note takes an event as it stands in the history.
func (c *onlineCheck) note(e *history.Event) {
	c.mu.Lock()
	c.recent = append(c.recent, *e)
	c.mu.Unlock()
}

// run checks until ctx ends, or until it finds a violation, which it tells.
func (c *onlineCheck) run(ctx context.Context, violated func(key string, r checker.Result)) {
	for ctx.Err() == nil {
		pause(ctx, onlineEvery)
		c.takeIn()
		c.sealed = append(c.sealed, c.sealer.Sealed()...)
		if key, r, found := c.check(ctx); found {
			violated(key, r)
			return
		}
	}
}

// takeIn joins the events that are there without a gap before them. Nearly all come in order.
func (c *onlineCheck) takeIn() {
	c.mu.Lock()
	recent := c.recent
	c.recent = c.spare[:0]
	c.mu.Unlock()
	for i := range recent {
		if e := &recent[i]; e.Index != c.next {
			c.waiting[e.Index] = *e
			continue
		}
		c.join(&recent[i])
		c.next++
		for e, ok := c.waiting[c.next]; ok; e, ok = c.waiting[c.next] {
			delete(c.waiting, c.next)
			c.join(&e)
			c.next++
		}
	}
	clear(recent)
	c.spare = recent
}

func (c *onlineCheck) join(e *history.Event) {
	if e.Process == history.NemesisProcess {
		return
	}
	if e.Type != history.Invoke {
		at, ok := c.open[e.Process]
		if o := c.objects[at.key]; ok && o != nil {
			o.operations[at.number].Complete(e)
			o.open--
		}
		delete(c.open, e.Process)
		return
	}
	if c.gone[e.Key] {
		return
	}
	o := c.objects[e.Key]
	if o == nil {
		o = &onlineObject{operations: make([]history.Operation, 0, usualOperations)}
		c.objects[e.Key] = o
	}
	c.open[e.Process] = openOperation{e.Key, len(o.operations)}
	o.operations = append(o.operations, history.Invoked(e))
	o.open++
}

// check checks the objects that are given up and quiet.
func (c *onlineCheck) check(ctx context.Context) (key string, r checker.Result, violated bool) {
	begin := time.Now()
	defer func() { c.spent += time.Since(begin) }()
	left := c.sealed[:0]
	for _, key := range c.sealed {
		o := c.objects[key]
		if o != nil && o.open > 0 {
			left = append(left, key)
			continue
		}
		delete(c.objects, key)
		c.gone[key] = true
		if o == nil {
			continue
		}
		c.checked++
		h := &history.History{Operations: o.operations}
		for _, check := range c.checkers {
			r := check.Check(ctx, h, checker.Options{Timeout: onlineTimeout, Memory: onlineMemory, Parallel: 1, Unconfirmed: true})
			if r.Verdict == checker.Invalid {
				return key, r, true
			}
		}
	}
	c.sealed = left
	return "", checker.Result{}, false
}
