package sim

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/ordeal"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Run makes a run. An error means that the plan or the simulator is at fault, not the system. When ctx ends the run is
// given up, with its error.
func Run(ctx context.Context, o Options) (Result, error) {
	if err := o.Plan.Check(); err != nil {
		return Result{}, err
	}
	w := newWorld(o, o.Plan)
	defer w.stopCoroutines()
	t, err := w.prepare()
	if err != nil {
		return Result{}, err
	}
	w.perform(ctx, t)
	if err := cmp.Or(ctx.Err(), w.err); err != nil {
		return Result{}, err
	}
	return w.conclude(ctx)
}

// test is what happens on the cluster.
type test struct {
	generator workloads.Generator
	crew      *harness.Crew
	workers   []*harness.Worker
	addresses map[string]string
	patience  time.Duration // how long the last operations may take; 0: as long as the others
}

func (w *world) prepare() (*test, error) {
	p := &w.plan
	generator, err := workloads.NewGenerator(p.Workload, workloads.Options{Workers: p.Workers})
	if err != nil {
		return nil, err
	}
	t := &test{generator: generator, addresses: map[string]string{}}
	for _, name := range w.names {
		t.addresses[name] = name + ":7001"
	}
	t.crew = &harness.Crew{Clients: p.Workers, Rate: p.Rate, Timeout: p.Timeout, Seed: p.Seed, Generator: generator, Recorder: &w.record, Clock: clock{w},
		Skip: w.skips}
	for i := range p.Workers {
		c, err := w.open(t, i)
		if err != nil {
			return nil, err
		}
		t.workers = append(t.workers, t.crew.Worker(i, c))
	}
	return t, nil
}

// skippedTime is how long an operation takes that is left out by a worker that does not pause between two.
const skippedTime = time.Millisecond

// skips reports whether a worker leaves out its n-th operation. Time passes all the same: a worker that leaves all out has to come to
// the run's end.
func (w *world) skips(worker int, n uint64) bool {
	if w.fault(SkipOperation, Choice{From: int32(worker), Seq: n}, 0, 1) == 0 {
		return false
	}
	if w.plan.paceless() {
		_ = clock{w}.Sleep(context.Background(), skippedTime) // it has no end but its time
	}
	return true
}

// open makes a worker's client.
func (w *world) open(t *test, worker int) (systems.Client, error) {
	c := w.plan.Client
	system := ordeal.System{World: clientWorld{clock{w}, int32(worker)}, Find: c.Find, Sessions: c.Sessions, Reads: c.Reads}
	return system.Open(w.names[worker%len(w.names)], t.addresses)
}

// perform has everything happen.
func (w *world) perform(ctx context.Context, t *test) {
	for _, n := range w.nodes {
		n.boot()
	}
	given := func() bool { return ctx.Err() != nil }
	if w.plan.FaultsFirst {
		w.planInjections(w.now)
	}
	w.until(w.startLimit(), func() bool { return given() || w.leader() != nil })
	begin := w.now
	if !w.plan.FaultsFirst {
		w.planInjections(begin)
	}
	tormented, err := w.torment()
	if err != nil {
		w.fail(err)
		return
	}
	working := len(t.workers)
	for i, worker := range t.workers {
		w.start(fmt.Sprintf("worker %d", i), func() {
			w.work(begin, worker)
			working--
		})
	}
	w.until(never, func() bool { return given() || working == 0 && tormented() })
	w.finish(t, given)
}

// torment has the nemesis of other clusters carry out the plan's schedule, if it has one. Done reports whether that is over.
func (w *world) torment() (done func() bool, err error) {
	if w.plan.Schedule == nil {
		return func() bool { return true }, nil
	}
	over := false
	tormentor, err := nemesis.New(&cluster{world: w}, *w.plan.Schedule, nemesis.Options{Clock: clock{w}, Report: w.noteEvent, Leader: func() string {
		if leader := w.leader(); leader != nil {
			return leader.name()
		}
		return ""
	}, LogFiles: ordeal.System{}.LogFiles()})
	if err != nil {
		return nil, err
	}
	w.start("the nemesis", func() {
		for _, e := range tormentor.Run(context.Background()) {
			if e.Phase == nemesis.PhaseInject && e.Took {
				w.faults[e.Fault]++
			}
		}
		over = true
	})
	return func() bool { return over }, nil
}

// startLimit is how long a new cluster may take to have a leader.
func (w *world) startLimit() time.Duration { return 100 * w.plan.Node.ElectionTimeout }

// work lets a worker work until the run's time is over or there are operations enough.
func (w *world) work(begin time.Duration, worker *harness.Worker) {
	ctx, cancel := clock{w}.WithTimeout(context.Background(), begin+w.plan.Duration-w.now)
	defer cancel()
	worker.Work(enough{ctx, w})
}

// enough is a context that ends when there are operations enough, too.
type enough struct {
	context.Context
	world *world
}

// Err implements context.Context.
func (e enough) Err() error {
	if most := e.world.plan.Operations; most > 0 && e.world.record.begun >= most {
		return context.Canceled
	}
	return e.Context.Err()
}

// finish heals a majority, which has to serve, and reads everything a last time.
func (w *world) finish(t *test, given func() bool) {
	if w.ended() || given() {
		return
	}
	w.becalm()
	reading := true
	w.start("the last reads", func() {
		w.writeOnce(t)
		w.readAll(t)
		reading = false
	})
	served := w.until(w.now+w.liveLimit(), func() bool { return given() || !reading })
	switch {
	case served || w.ended():
	case w.options.NoLiveness:
		w.problems = append(w.problems, fmt.Sprintf("the cluster did not serve within %v after the last fault was healed", w.liveLimit()))
	default:
		w.judge.violate("liveness", 0, "%v after all faults have ended for a majority, the cluster does not serve: %s", w.liveLimit(), w.stand())
	}
}

// updates are the operations that no state of an object refuses.
var updates = []string{"put", "append", "add", "enqueue"}

// writeOnce has an update take effect: a leader that takes no proposals still answers reads. Workloads without updates of that
// kind (locks, transactions, transfers) are left to their last reads; of those some are tried, until one that changes something has succeeded in the run.
func (w *world) writeOnce(t *test) {
	const worker, tries = 0, 100
	random := rand.New(rand.NewPCG(w.plan.Seed, 1))
	for foreign := 0; foreign < tries; {
		op := t.generator.Next(worker, random)
		if !slices.Contains(updates, op.F) {
			foreign++
			if !w.record.wrote && foreign < tries/4 {
				t.workers[worker].Do(op)
				w.morePatience(t)
				continue
			}
			t.generator.Completed(worker, op, history.Fail, history.Nil) // nobody is asked
			continue
		}
		if t.workers[worker].Do(op) {
			return
		}
		w.morePatience(t)
		foreign = 0 // such updates there are: only the limit of liveness ends this
	}
}

// morePatience gives the last operations twice the time, up to a tenth of what the cluster has for all of them. That a client is served
// whose operations end before a session is opened and a write is through is promised by nobody.
func (w *world) morePatience(t *test) {
	t.patience = min(2*max(t.patience, w.plan.Timeout), w.liveLimit()/10)
	t.workers[0].Patience(t.patience)
}

// readAll reads every key once more.
func (w *world) readAll(t *test) {
	for _, op := range t.generator.Final() {
		for !t.workers[0].Persist(context.Background(), op) {
			w.morePatience(t)
		}
	}
}

// conclude judges the run.
func (w *world) conclude(ctx context.Context) (Result, error) {
	if w.plan.Schedule == nil { // else the nemesis has said so
		w.noteEvent(nemesis.Event{Fault: nemesis.Closing, Mode: "all", Phase: nemesis.PhaseHeal, Text: "a majority runs without faults", Took: true,
			Evidence: []string{w.stand()}, Start: w.now, Done: w.now, End: w.now})
	}
	h, err := history.Join(w.record.events)
	if err != nil {
		return Result{}, fmt.Errorf("the history that was recorded is none: %w", err)
	}
	checkers, err := workloads.CheckersFor(w.plan.Workload)
	if err != nil {
		return Result{}, err
	}
	results := append([]checker.Result{w.judge.result()}, harness.CheckAll(ctx, h, checkers, checker.Options{Timeout: cmp.Or(w.options.CheckTimeout, 10*time.Second)})...)
	f := harness.Findings{Workload: w.plan.Workload, Faults: w.plan.Asked, Crashes: w.crashes, Problems: w.problems, OneOfMany: w.plan.Schedule == nil}
	judged := harness.Judge(h, f, results...)
	judged.Leaders = w.judge.leaderships() // two of one term are the invariants' to notice
	r := Result{Seed: w.plan.Seed, Plan: w.plan, Verdict: judged.Verdict, Reason: judged.Reason, Judged: judged, Violations: w.judge.violations,
		Hash: w.record.hash(w.hash), Events: w.steps, Simulated: w.now, Operations: w.record.counts, Faults: w.faults, Coverage: w.coverage,
		History: h, Record: w.record.events, Stack: w.stack}
	return r, ctx.Err()
}

// result is the invariants' verdict.
func (v *invariants) result() checker.Result {
	r := checker.Result{Checker: "invariants", Verdict: checker.Valid}
	if len(v.violations) > 0 {
		r.Verdict, r.Reason = checker.Invalid, v.violations[0].String()
	}
	return r
}
