package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// BenchOptions say how the harness itself is measured.
type BenchOptions struct {
	Workload string
	Clients  int
	Rate     float64 // as in a run
	Duration time.Duration
	Dir      string   // where the history goes; it is removed afterwards
	Progress Progress // nil: nobody watches
}

// BenchResult is what the harness costs where the system under test costs nothing.
type BenchResult struct {
	Workload    string        `json:"workload"`
	Clients     int           `json:"clients"`
	Operations  int64         `json:"operations"`
	Seconds     float64       `json:"seconds"`
	Rate        float64       `json:"rate"`        // operations a second, each on record twice: invocation and completion
	CPU         float64       `json:"cpu_ns"`      // processor time of this program, by operation, in nanoseconds
	Allocations float64       `json:"allocations"` // by operation
	Bytes       float64       `json:"bytes"`       // of the history, by operation
	P50         time.Duration `json:"p50_ns"`      // of latencies, from the intended start; 0 where no rate was asked for: that is not looked at
	P99         time.Duration `json:"p99_ns"`
}

// Bench is a run on a system that answers at once, up to its verdict: generator, workers with their timeouts, recorder, history on disk, the
// nemesis (which has nothing to do), the watch over nodes and processes, progress. Measured is the part in which workers work.
func Bench(ctx context.Context, o BenchOptions) (result BenchResult, err error) {
	dir, err := os.MkdirTemp(o.Dir, "ordeal-bench-")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cluster := &nullCluster{}
	if o.Progress == nil {
		o.Progress = silence{}
	}
	m := &meter{Progress: o.Progress}
	r := &run{bounds: usualBounds, cluster: cluster, test: Test{Name: "bench", System: nullSystem{}, Workload: o.Workload, Clients: o.Clients, Rate: o.Rate,
		Duration: o.Duration, Seed: 1, OperationTimeout: 5 * time.Second, Results: dir, Progress: m}}
	m.run = r
	if r.generator, err = workloads.NewGenerator(o.Workload, workloads.Options{Workers: o.Clients}); err != nil {
		return result, err
	}
	if r.folder, err = store.Create(dir, r.test.Name, time.Now()); err != nil {
		return result, err
	}
	if err := errors.Join(r.bench(ctx), ctx.Err()); err != nil {
		return result, err
	}
	return m.result(o)
}

// bench is what Run does but for judging.
func (r *run) bench(ctx context.Context) error {
	log, err := r.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	told := newTidings(r.test.Progress, r.folder)
	defer told.stop()
	r.test.Progress = told
	if err := r.folder.WriteTest(r.test.document(r.cluster, time.Now(), nil)); err != nil {
		return err
	}
	if err := r.cluster.Setup(ctx); err != nil {
		return err
	}
	defer r.cluster.Teardown(ctx) // never fails
	schedule, err := r.drawSchedule(ctx)
	if err != nil {
		return err
	}
	if err := r.guard("the bench", func() error { return r.record(ctx, schedule) }); err != nil {
		return err
	}
	if len(r.problems) > 0 {
		return fmt.Errorf("the run had a problem: %s", r.problems[0])
	}
	return nil
}

// meter measures the main part of a run.
type meter struct {
	Progress
	run    *run
	begun  metered
	took   metered
	phases int // since the main part began
}

// metered is what was used up to a moment, or between two.
type metered struct {
	at         time.Duration
	cpu        time.Duration
	mallocs    uint64
	operations int64
}

func (m *meter) now() metered {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	r := m.run.recorder
	return metered{at: r.now(), cpu: ProcessorTime(), mallocs: memory.Mallocs, operations: r.ok.Load() + r.fail.Load() + r.info.Load()}
}

// Phase implements Progress: PhaseRunning begins the main part, and the phase after it ends it.
func (m *meter) Phase(text string) {
	if m.phases++; text == PhaseRunning {
		m.phases, m.begun = 0, m.now()
	} else if m.phases == 1 && m.begun.at > 0 {
		now, begun := m.now(), m.begun
		m.took = metered{now.at - begun.at, now.cpu - begun.cpu, now.mallocs - begun.mallocs, now.operations - begun.operations}
	}
	m.Progress.Phase(text)
}

func (m *meter) result(o BenchOptions) (BenchResult, error) {
	n := float64(m.took.operations)
	r := BenchResult{Workload: o.Workload, Clients: o.Clients, Operations: m.took.operations, Seconds: m.took.at.Seconds()}
	if n == 0 {
		return r, errors.New("nothing was done: give it more time")
	}
	r.Rate, r.CPU, r.Allocations = n/r.Seconds, float64(m.took.cpu)/n, float64(m.took.mallocs)/n
	path := m.run.folder.Path(store.HistoryFile)
	info, err := os.Stat(path)
	if err != nil {
		return r, err
	}
	r.Bytes = 2 * float64(info.Size()) / float64(m.run.recorder.writer.Len())
	if o.Rate > 0 {
		h, err := history.Load(path)
		if err != nil {
			return r, err
		}
		r.P50, r.P99, _ = report.Latency(h.Operations)
	}
	return r, nil
}

// ProcessorTime is what this program took so far, all its threads together.
func ProcessorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchRecording is what one goroutine takes to put an operation on record, in a file in dir, until all of it is handed to the operating system: by
// the clock, and in processor time of all threads.
func BenchRecording(dir string, operations int) (each, cpu time.Duration, err error) {
	folder, err := os.MkdirTemp(dir, "ordeal-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	writer, err := history.Create(filepath.Join(folder, store.HistoryFile))
	if err != nil {
		return 0, 0, err
	}
	r := &recorder{writer: writer, start: time.Now()}
	began, used := time.Now(), ProcessorTime()
	for i := range operations {
		recordOne(r, i)
	}
	err = writer.Flush()
	elapsed, used := time.Since(began), ProcessorTime()-used
	if err := errors.Join(err, r.close()); err != nil {
		return 0, 0, fmt.Errorf("recording: %w", err)
	}
	return elapsed / time.Duration(operations), used / time.Duration(operations), nil
}

// recordOne puts an operation on record as a worker does.
func recordOne(r *recorder, i int) {
	e := history.Event{Process: i % 10, F: "put", Key: "r17", Input: history.Int(int64(i))}
	r.Invoke(&e)
	e = history.Event{Process: i % 10, F: "put", Key: "r17", Type: history.OK, Node: "n1", LogIndex: uint64(i + 1)}
	r.Complete(&e)
}
