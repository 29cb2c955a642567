package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Bounds of what is not the test's own time.
const (
	setupTimeout    = 2 * time.Minute
	readyTimeout    = 30 * time.Second // until the cluster serves, at the start and after the last heal
	teardownTimeout = time.Minute
)

// Outcome is a finished run.
type Outcome struct {
	Run     *store.Run
	Verdict store.Verdict
	History *history.History // nil where it cannot be read
}

// run is a test under way.
type run struct {
	test      Test
	cluster   Cluster
	folder    *store.Run
	log       *slog.Logger
	recorder  *recorder
	generator workloads.Generator
	observer  *observer
	watch     *processWatch

	problems []string // what keeps a verdict from being valid, found while running
}

// Run runs the test on the cluster and judges it. When ctx ends early it heals, reads what it can, takes everything down and
// judges what there is. An error means that the harness failed, not the system; the cluster is taken down all the same.
func Run(ctx context.Context, t Test, c Cluster) (*Outcome, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if t.Name == "" {
		t.Name = t.Workload
	}
	started := time.Now()
	folder, err := store.Create(t.Results, t.Name, started)
	if err != nil {
		return nil, err
	}
	r := &run{test: t, cluster: c, folder: folder}
	logFile, err := r.openLog()
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	if err := r.onCluster(ctx, started); err != nil {
		r.log.Error("the harness failed", "error", err)
		return &Outcome{Run: folder}, err
	}
	t.Progress.Phase("checking the history")
	return r.judge(context.WithoutCancel(ctx))
}

func (r *run) openLog() (io.Closer, error) {
	f, err := os.OpenFile(r.folder.Path(store.HarnessLogFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the harness's log: %w", err)
	}
	r.log = slog.New(slog.NewTextHandler(f, nil))
	return f, nil
}

// onCluster is the part of the run during which the cluster is up.
func (r *run) onCluster(ctx context.Context, started time.Time) (err error) {
	if r.generator, err = workloads.NewGenerator(r.test.Workload, workloads.Options{Workers: r.test.Clients}); err != nil {
		return err
	}
	schedule, err := nemesis.NewSchedule(r.test.Faults, r.cluster.Nodes(), r.test.Seed, r.test.Duration)
	if err != nil {
		return err
	}
	r.test.Progress.Phase(fmt.Sprintf("bringing up %d nodes on the %s cluster", len(r.cluster.Nodes()), r.cluster.Kind()))
	defer func() { err = errors.Join(err, r.teardown(ctx)) }()
	setup, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	if err := r.cluster.Setup(setup); err != nil {
		return fmt.Errorf("setting up the %s cluster: %w", r.cluster.Kind(), err)
	}
	r.log.Info("cluster is up", "kind", r.cluster.Kind(), "nodes", r.cluster.Nodes())
	if err := r.folder.WriteTest(r.test.document(r.cluster, started)); err != nil {
		return err
	}
	return r.record(ctx, schedule)
}

// teardown fetches the nodes' logs and takes the cluster down, also when the run was cut short.
func (r *run) teardown(ctx context.Context) error {
	r.test.Progress.Phase("taking the cluster down")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
	defer cancel()
	if err := r.cluster.CollectLogs(ctx, r.folder.Path(store.NodesFolder)); err != nil {
		r.log.Warn("the nodes' logs are not complete", "error", err)
	}
	if err := r.cluster.Teardown(ctx); err != nil {
		return fmt.Errorf("taking the cluster down (ordeal cleanup tries again): %w", err)
	}
	r.log.Info("cluster is gone")
	return nil
}

// record is the part of the run that the history tells of.
func (r *run) record(ctx context.Context, schedule nemesis.Schedule) (err error) {
	writer, err := history.Create(r.folder.Path(store.HistoryFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	observations, err := r.folder.CreateObservations()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, observations.Close()) }()
	r.recorder = &recorder{writer: writer, start: time.Now()}
	r.observer = newObserver(r.cluster, r.recorder.now, observations)
	r.watch = newProcessWatch(r.cluster, r.recorder.now)
	workers, err := r.startWorkers()
	if err != nil {
		return err
	}
	defer closeAll(workers)

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() { r.observer.run(background) })
	group.Go(func() { r.watch.run(background) })
	defer func() {
		stop()
		group.Wait()
		err = errors.Join(err, r.observer.err)
	}()
	return r.ordeal(ctx, schedule, workers)
}

// ordeal is what the tool is named after: clients work while the nemesis hurts the cluster, then all is healed and read.
func (r *run) ordeal(ctx context.Context, schedule nemesis.Schedule, workers []*worker) error {
	r.test.Progress.Phase("waiting until the cluster serves")
	if !r.awaitService(ctx) {
		r.problem("the cluster did not serve within %v of its start", readyTimeout)
		return nil
	}
	tormentor, err := nemesis.New(r.cluster, schedule, nemesis.Options{Clock: nemesis.NewClock(r.recorder.start), Leader: r.observer.leader, Report: r.noteFault})
	if err != nil {
		return err
	}
	work, cancel := context.WithTimeout(ctx, r.test.Duration)
	defer cancel()
	stopProgress := r.showProgress(tormentor)
	var group sync.WaitGroup
	group.Go(func() { r.work(work, workers) })
	group.Go(func() { tormentor.Run(ctx) })
	group.Wait()
	stopProgress()
	if ctx.Err() != nil {
		r.problem("the run was interrupted after %v of %v", r.recorder.now().Round(time.Millisecond), r.test.Duration)
	}
	r.test.Progress.Phase("reading everything a last time")
	if !r.awaitService(context.WithoutCancel(ctx)) {
		r.problem("the cluster did not serve within %v after the last fault was healed", readyTimeout)
		return nil
	}
	r.readAll(workers)
	return nil
}

func (r *run) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.problems = append(r.problems, text)
	r.log.Warn(text)
}

// noteFault puts what the nemesis did into the history.
func (r *run) noteFault(e nemesis.Event) {
	detail, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	r.recorder.nemesis(history.Event{F: e.Fault, Detail: detail})
	r.log.Info("nemesis", "fault", e.Fault, "mode", e.Mode, "phase", e.Phase, "what", e.Text, "took", e.Took, "evidence", e.Evidence)
}

// awaitService waits until somebody leads and a read is answered; the read is of no key of the workload and not on record.
func (r *run) awaitService(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	addresses := map[string]string{}
	for _, node := range r.cluster.Nodes() {
		addresses[node] = r.cluster.ClientAddress(node)
	}
	c, err := r.test.System.Open(r.cluster.Nodes()[0], addresses)
	if err != nil {
		r.problem("%v", err)
		return false
	}
	defer c.Close()
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, r.test.OperationTimeout)
		done := c.Invoke(attempt, workloads.Operation{F: "get", Key: "ordeal-is-anybody-there"})
		cancel()
		if done.Type == history.OK {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// finalAttempts is how often a last read is tried.
const finalAttempts = 10

// readAll has the workers read every key once more, and remembers those for which that failed.
func (r *run) readAll(workers []*worker) {
	jobs := make(chan workloads.Operation)
	var missed sync.Map
	var group sync.WaitGroup
	for _, w := range workers {
		group.Go(func() {
			for op := range jobs {
				if !w.persist(op) {
					missed.Store(op.Key, true)
				}
			}
		})
	}
	for _, op := range r.generator.Final() {
		jobs <- op
	}
	close(jobs)
	group.Wait()
	n, example := 0, ""
	missed.Range(func(key, _ any) bool { n++; example = key.(string); return true })
	if n > 0 {
		r.problem("%d keys could not be read a last time after the faults were healed, %s for one", n, example)
	}
}

func (w *worker) persist(op workloads.Operation) bool {
	for range finalAttempts {
		if w.do(op) {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}
