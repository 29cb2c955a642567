package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// ordeal is what the tool is named after: clients work while the nemesis hurts the cluster, then all is healed and read.
// ctx is the caller's, work ends with it and when the harness fails.
func (r *run) ordeal(ctx, work context.Context, schedule nemesis.Schedule, workers []*Worker) error {
	r.test.Progress.Phase("waiting until the cluster serves")
	if !r.awaitService(work, r.bounds.ready) {
		if err := r.over(); err != nil {
			return LostError{err}
		}
		r.notServing(ctx, "of its start")
		return nil
	}
	if settler, ok := r.cluster.(Settler); ok {
		if err := settler.Settle(ctx); err != nil {
			return err
		}
	}
	tormentor, err := nemesis.New(watched{r.cluster, r.watch}, schedule, nemesis.Options{
		Clock: nemesis.NewClock(r.recorder.start), Leader: r.observer.leader, Report: r.noteFault, Abilities: watchedAbilities(r.able, r.watch),
		LogFiles: r.logFiles()})
	if err != nil {
		return err
	}
	begin := r.recorder.now()
	stopProgress := r.showProgress(tormentor, begin)
	returned := r.torment(work, tormentor, workers)
	stopProgress()
	if ctx.Err() != nil {
		r.problem("the run was interrupted after %v of %v", (r.recorder.now() - begin).Round(time.Millisecond), r.test.Duration)
	}
	if r.failed() != nil || !returned || r.over() != nil {
		return nil
	}
	r.test.Progress.Phase("reading everything a last time")
	patience := r.bounds.ready
	if ctx.Err() != nil {
		patience = r.bounds.hurried
	}
	if !r.awaitService(context.WithoutCancel(ctx), patience) {
		if r.over() != nil {
			return nil
		}
		text := fmt.Sprintf("the cluster did not serve within %v after the last fault was healed", patience)
		r.problem("%s", text)
		if ctx.Err() == nil && r.whole {
			r.unserved = text
		}
		return nil
	}
	r.readAll(context.WithoutCancel(ctx), workers)
	r.audit(context.WithoutCancel(ctx))
	return nil
}

// abilities are what the cluster can do, and what the system lets be done to its members and its clocks.
func (r *run) abilities() (nemesis.Abilities, error) {
	abilities := nemesis.AbilitiesOf(r.cluster)
	addresses := map[string]string{}
	for _, node := range r.cluster.Nodes() {
		addresses[node] = r.cluster.StatusAddress(node)
	}
	var err error
	if system, ok := r.test.System.(systems.Administrator); ok {
		if abilities.Members, err = system.Administer(addresses); err != nil {
			return abilities, fmt.Errorf("%s: %w", system.Name(), err)
		}
	}
	if system, ok := r.test.System.(systems.Clocked); ok {
		if abilities.Clocks, err = system.Clocks(addresses); err != nil {
			return abilities, fmt.Errorf("%s: %w", system.Name(), err)
		}
	}
	return abilities, nil
}

// Able tells what a cluster will be able to do, before it is up: only whether there is an ability may be asked of the result.
func Able(system systems.System, cluster Cluster) nemesis.Abilities {
	abilities := nemesis.AbilitiesOf(cluster)
	if _, ok := system.(systems.Administrator); ok {
		abilities.Members = struct{ nemesis.Members }{}
	}
	if _, ok := system.(systems.Clocked); ok {
		abilities.Clocks = struct{ nemesis.Clocks }{}
	}
	return abilities
}

func (r *run) logFiles() string {
	if system, ok := r.test.System.(systems.Logged); ok {
		return system.LogFiles()
	}
	return ""
}

func (r *run) notServing(ctx context.Context, since string) {
	if ctx.Err() != nil {
		r.problem("the run was interrupted before it began")
		return
	}
	r.problem("the cluster did not serve within %v %s", r.bounds.ready, since)
}

// torment lets the workers work for the test's time while the nemesis carries out its schedule. It reports whether all
// workers came back.
func (r *run) torment(ctx context.Context, tormentor *nemesis.Nemesis, workers []*Worker) bool {
	work, cancel := context.WithTimeout(ctx, r.test.Duration)
	defer cancel()
	var clients, faults sync.WaitGroup
	r.work(work, &clients, workers)
	r.spawn(&faults, "the nemesis", func() error { tormentor.Run(ctx); return nil })
	faults.Wait()
	<-work.Done()
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	timer := time.NewTimer(r.test.OperationTimeout + r.bounds.stuck)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		r.problem("an operation did not return within %v after its timeout of %v: the client of %s does not keep to it",
			r.bounds.stuck, r.test.OperationTimeout, r.test.System.Name())
		return false
	}
}

// noteFault puts what the nemesis did into the history.
func (r *run) noteFault(e nemesis.Event) {
	if e.Fault == nemesis.Closing {
		r.whole = e.Took
	}
	detail, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	r.recorder.nemesis(history.Event{F: e.Fault, Detail: detail})
	r.log.Info("nemesis", "fault", e.Fault, "mode", e.Mode, "phase", e.Phase, "what", e.Text, "took", e.Took, "evidence", e.Evidence)
}

// awaitService waits until somebody leads and a read is answered; the read is of no key of the workload and not on record.
func (r *run) awaitService(ctx context.Context, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := r.open(ctx)
	if err != nil {
		if r.over() == nil {
			r.problem("%v", err)
		}
		return false
	}
	defer c.Close()
	for ctx.Err() == nil && r.over() == nil {
		attempt, cancel := context.WithTimeout(ctx, r.test.OperationTimeout)
		done := c.Invoke(attempt, workloads.Operation{F: "get", Key: "ordeal-is-anybody-there"})
		cancel()
		if done.Type == history.OK {
			return true
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

// open makes a client of the first node, and waits for it no longer than ctx goes on.
func (r *run) open(ctx context.Context) (systems.Client, error) {
	type opened struct {
		client systems.Client
		err    error
	}
	done := make(chan opened, 1)
	go func() {
		var o opened
		o.err = r.guard("opening a client", func() (err error) {
			o.client, err = r.test.System.Open(r.cluster.Nodes()[0], r.addresses())
			return err
		})
		done <- o
	}()
	select {
	case o := <-done:
		return o.client, o.err
	case <-ctx.Done():
		go func() {
			if late := <-done; late.err == nil {
				late.client.Close()
			}
		}()
		return nil, fmt.Errorf("no client could be opened: %w", ctx.Err())
	}
}

// pause returns after d or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// finalAttempts is how often a last read is tried, with a pause between.
const (
	finalAttempts = 10
	finalPause    = 50 * time.Millisecond
)

// readAll has the workers read every key once more, and tells of those for which that failed.
func (r *run) readAll(ctx context.Context, workers []*Worker) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.final)
	defer cancel()
	ops := r.generator.Final()
	jobs := make(chan workloads.Operation, len(ops))
	for _, op := range ops {
		jobs <- op
	}
	close(jobs)
	var mu sync.Mutex
	failed := map[string]bool{} // keys
	var group sync.WaitGroup
	for _, w := range workers {
		r.spawn(&group, fmt.Sprintf("client %d", w.number), func() error {
			for op := range jobs {
				if !w.Persist(ctx, op) {
					mu.Lock()
					failed[op.Key] = true
					mu.Unlock()
				}
			}
			return nil
		})
	}
	group.Wait()
	if len(failed) > 0 {
		keys := map[string]bool{}
		for _, op := range ops {
			keys[op.Key] = true
		}
		r.problem("%d of %d keys could not be read a last time after the faults were healed, %s for one", len(failed), len(keys),
			slices.Min(slices.Collect(maps.Keys(failed))))
	}
}

// Persist does an operation again until it succeeds, a few times at most, and reports whether it did.
func (w *Worker) Persist(ctx context.Context, op workloads.Operation) bool {
	for attempt := 0; attempt < finalAttempts && ctx.Err() == nil; attempt++ {
		if w.Do(op) {
			return true
		}
		if w.crew.Clock.Sleep(ctx, finalPause) != nil {
			return false
		}
	}
	return false
}
