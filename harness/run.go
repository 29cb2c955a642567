package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// bounds are the limits of what is not the test's own time.
type bounds struct {
	setup    time.Duration
	ready    time.Duration // until the cluster serves, at the start and after the last heal
	hurried  time.Duration // the same after an interruption, when somebody is waiting
	final    time.Duration // for all last reads
	stuck    time.Duration // beyond its timeout, until a client's operation counts as lost
	teardown time.Duration
	check    time.Duration
}

var usualBounds = bounds{
	setup:    2 * time.Minute,
	ready:    30 * time.Second,
	hurried:  10 * time.Second,
	final:    time.Minute,
	stuck:    10 * time.Second,
	teardown: time.Minute,
	check:    5 * time.Minute,
}

// Outcome is a finished run.
type Outcome struct {
	Run     *store.Run
	Verdict store.Verdict    // zero where nothing could be judged
	History *history.History // nil where there is none or it cannot be read
}

// run is a test under way.
type run struct {
	test      Test
	bounds    bounds
	cluster   Cluster
	folder    *store.Run
	log       *slog.Logger
	recorder  *recorder
	generator workloads.Generator
	observer  *observer
	watch     *processWatch
	able      nemesis.Abilities // of the cluster, once it is up
	owed      []string          // faults that have to take hold, once they are known
	audited   *checker.Result   // of the replicas; nil: they were not held against each other

	mu       sync.Mutex
	problems []string           // what keeps a verdict from being valid, found while running
	whole    bool               // the nemesis has left nothing behind
	unserved string             // that nothing was served after the last heal; empty: something was
	failure  error              // the harness's own, of whatever goroutine
	cancel   context.CancelFunc // ends the work early
}

// Run runs the test on the cluster and judges it. When ctx ends early it heals, reads what it can, takes everything down
// and judges what there is. An error means that the harness failed, not the system: the cluster is taken down all the
// same, what there is of the history is judged, and its verdict is not valid. The Outcome is nil only where nothing began.
func Run(ctx context.Context, t Test, c Cluster) (*Outcome, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if t.Name == "" {
		t.Name = t.Workload
	}
	if t.Progress == nil {
		t.Progress = silence{}
	}
	r := &run{bounds: usualBounds, cluster: c}
	if t.bounds != nil {
		r.bounds = *t.bounds
	}
	started := time.Now()
	var err error
	if r.folder, err = store.Create(t.Results, t.Name, started); err != nil {
		return nil, err
	}
	logFile, err := r.openLog()
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	told := newTidings(t.Progress, r.folder)
	defer told.stop()
	t.Progress = told
	r.test = t
	out := &Outcome{Run: r.folder}
	failed := r.guard("the run", func() error { return r.onCluster(ctx, started) })
	if failed != nil {
		r.log.Error("the harness failed", "error", failed)
		r.problem("the harness failed: %v", failed)
	}
	t.Progress.Phase("checking the history")
	return out, errors.Join(failed, r.guard("the judge", func() error { return r.judge(ctx, out) }))
}

func (r *run) openLog() (io.Closer, error) {
	f, err := os.OpenFile(r.folder.Path(store.HarnessLogFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the harness's log: %w", err)
	}
	r.log = slog.New(slog.NewTextHandler(f, nil))
	return f, nil
}

// guard makes an error of a panic. A goroutine's panic would end the program, with the cluster left behind.
func (r *run) guard(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v; harness.log has the stack", what, p)
			r.log.Error("panic", "of", what, "value", p, "stack", string(debug.Stack()))
		}
	}()
	return f()
}

// spawn runs f in a goroutine of the group. Where it fails the work ends, and the run with an error.
func (r *run) spawn(group *sync.WaitGroup, what string, f func() error) {
	group.Go(func() {
		if err := r.guard(what, f); err != nil {
			r.fail(err)
		}
	})
}

// fail notes the harness's first failure and ends the work.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.failure == nil {
		r.failure = err
	}
	r.mu.Unlock()
	r.cancel()
}

func (r *run) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

func (r *run) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	r.problems = append(r.problems, text)
	r.mu.Unlock()
	r.log.Warn(text)
}

// onCluster is the part of the run during which the cluster is up.
func (r *run) onCluster(ctx context.Context, started time.Time) (err error) {
	if r.generator, err = workloads.NewGenerator(r.test.Workload, workloads.Options{Workers: r.test.Clients}); err != nil {
		return err
	}
	// Also before the cluster is up, so that a run that fails here can be read about; its machine is not known yet.
	if err := r.folder.WriteTest(r.test.document(r.cluster, started, nil)); err != nil {
		return err
	}
	r.test.Progress.Phase(fmt.Sprintf("bringing up %d nodes on the %s cluster", len(r.cluster.Nodes()), r.cluster.Kind()))
	defer func() { err = errors.Join(err, r.teardown(ctx)) }()
	setup, cancel := context.WithTimeout(ctx, r.bounds.setup)
	defer cancel()
	if err := r.cluster.Setup(setup); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("interrupted: %w", err)
		}
		return fmt.Errorf("setting up the %s cluster: %w", r.cluster.Kind(), err)
	}
	r.log.Info("cluster is up", "kind", r.cluster.Kind(), "nodes", r.cluster.Nodes())
	schedule, err := r.drawSchedule(ctx)
	if err != nil {
		return err
	}
	document := r.test.document(r.cluster, started, r.cluster.Facts())
	document.Owed = r.owed
	if err := r.folder.WriteTest(document); err != nil {
		return err
	}
	return r.record(ctx, schedule)
}

// drawSchedule draws the faults that the cluster can do and puts them into the run's folder: one version's seed may draw others
// than another's.
func (r *run) drawSchedule(ctx context.Context) (s nemesis.Schedule, err error) {
	if r.able, err = r.abilities(); err != nil {
		return s, err
	}
	specs, left, err := nemesis.Expand(ctx, r.test.Faults, len(r.cluster.Nodes()), r.cluster, r.able)
	if err != nil {
		return s, err
	}
	for _, what := range left {
		r.log.Info("a mode that this cluster cannot do is left out", "mode", what)
		r.test.Progress.Phase("left out: " + what)
	}
	r.owed = Owed(r.test.Faults, specs)
	if r.test.Schedule != nil {
		s = *r.test.Schedule
	} else if s, err = nemesis.NewSchedule(specs, r.cluster.Nodes(), r.test.Seed, r.test.Duration); err != nil {
		return s, err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return s, err
	}
	return s, store.WriteAtomically(r.folder.Path(store.ScheduleFile), append(text, '\n'))
}

// Owed are the faults that have to take hold for a verdict to count: those asked for, and of a run of one fault alone each mode of it.
func Owed(asked, expanded []nemesis.Spec) []string {
	for _, s := range asked {
		if s.Fault != asked[0].Fault {
			return SpecNames(asked)
		}
	}
	return SpecNames(expanded)
}

// teardown fetches the nodes' logs and takes the cluster down, also when the run was cut short.
func (r *run) teardown(ctx context.Context) error {
	r.test.Progress.Phase("taking the cluster down")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.bounds.teardown)
	defer cancel()
	// What goes wrong with the logs must not keep the cluster up.
	if err := r.guard("fetching the logs", func() error { return r.cluster.CollectLogs(ctx, r.folder.Path(store.NodesFolder)) }); err != nil {
		r.log.Warn("the nodes' logs are not complete", "error", err)
	}
	if err := r.cluster.Teardown(ctx); err != nil {
		return fmt.Errorf("taking the cluster down (`ordeal cleanup` tries again): %w", err)
	}
	r.log.Info("cluster is gone")
	return nil
}

// record is the part of the run that the history tells of.
func (r *run) record(ctx context.Context, schedule nemesis.Schedule) (err error) {
	create := history.Create
	if r.test.createHistory != nil {
		create = r.test.createHistory
	}
	writer, err := create(r.folder.Path(store.HistoryFile))
	if err != nil {
		return err
	}
	r.recorder = &recorder{writer: writer, start: time.Now()}
	defer func() { err = errors.Join(err, r.recorder.close()) }()
	if r.test.CheckWhileRunning {
		if r.recorder.online, err = newOnlineCheck(r.generator, r.test.Workload, r.recorder.start); err != nil {
			return err
		}
	}
	if err := r.noteBegin(); err != nil {
		return err
	}
	observations, err := r.folder.CreateObservations()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, observations.Close()) }()
	r.observer = newObserver(r.test.System, r.cluster, r.recorder.now, observations)
	r.watch = newProcessWatch(r.cluster, r.recorder.now)
	workers, err := r.startWorkers()
	if err != nil {
		return err
	}
	defer closeAll(workers)

	work, cancel := context.WithCancel(ctx)
	defer cancel()
	r.cancel = cancel
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	for _, node := range r.cluster.Nodes() {
		r.spawn(&group, "the observer of "+node, func() error { r.observer.watch(background, node); return nil })
	}
	r.spawn(&group, "the watch over the processes", func() error { r.watch.run(background); return nil })
	r.spawn(&group, "the watch over the cluster as a whole", func() error { r.watchOver(background); return nil })
	r.spawn(&group, "the watch over the harness itself", func() error { r.watchStalls(background); return nil })
	r.spawn(&group, "the watch over the history", func() error { return r.recorder.watch(background) })
	if online := r.recorder.online; online != nil {
		// It ends with the work, or when all is read: a run without a violation cancels nothing.
		checking, done := context.WithCancel(work)
		context.AfterFunc(background, done)
		r.spawn(&group, "the check while it runs", func() error { online.run(checking, r.violated); return nil })
		defer func() { r.log.Info("checked while it ran", "objects", online.checked, "took", online.spent) }()
	}
	defer func() {
		stop()
		group.Wait()
		r.observer.close()
		r.lastLook(ctx)
		err = errors.Join(err, r.observer.err, r.failed())
	}()
	return r.ordeal(ctx, work, schedule, workers)
}

// lastLook looks at every process a last time and notes what is not to be vouched for, also when the run was interrupted, but then somebody is waiting.
func (r *run) lastLook(ctx context.Context) {
	bound := r.bounds.final
	if ctx.Err() != nil {
		bound = r.bounds.hurried
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	r.watch.lookAll(ctx)
	if err := r.over(); err != nil {
		r.problem("%v", err)
		return // which is why nobody can tell of the nodes
	}
	for _, what := range r.watch.doubts() {
		r.problem("%s", what)
	}
}

// over tells why there is no cluster any more; nil: there is one.
func (r *run) over() error {
	if m, ok := r.cluster.(Mortal); ok {
		return m.Over()
	}
	return nil
}

// watchOver ends the work once there is no cluster to be worked on.
func (r *run) watchOver(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, watchEvery) {
		if err := r.over(); err != nil {
			r.log.Error("the work ends", "error", err)
			r.cancel()
			return
		}
	}
}

// violated ends the work at a violation that was found while it went on. The check of the whole history finds it again.
func (r *run) violated(key string, found checker.Result) {
	r.problem("stopped after %v of %v at the first violation, seen while the run went on, in %q: %s",
		r.recorder.now().Round(time.Millisecond), r.test.Duration, key, found.Reason)
	r.test.Progress.Phase("a violation: healing and reading everything a last time")
	r.cancel()
}

// noteBegin puts the time of day of the history's time 0 on record: the nodes' logs tell the time of day.
func (r *run) noteBegin() error {
	t, err := r.folder.Test()
	if err != nil {
		return err
	}
	t.Began = r.recorder.start
	return r.folder.WriteTest(t)
}
