package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// BenchOptions say how the harness itself is measured.
type BenchOptions struct {
	Workload string
	Clients  int
	Duration time.Duration
	Dir      string // where the history goes; it is removed afterwards
}

// BenchResult is what the harness costs where the system under test costs nothing.
type BenchResult struct {
	Workload   string  `json:"workload"`
	Clients    int     `json:"clients"`
	Operations int64   `json:"operations"`
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"rate"`         // operations a second, each on record twice: invocation and completion
	Recording  float64 `json:"recording_ns"` // of one operation, by one goroutine, in nanoseconds
	Bytes      float64 `json:"bytes"`        // of the history, by operation
}

// nullClient answers at once, and knows nothing.
type nullClient struct{}

func (nullClient) Invoke(context.Context, workloads.Operation) systems.Completion {
	return systems.Completion{Type: history.OK, Node: "n1"}
}
func (nullClient) Close() {}

// Bench has clients work on a system that answers at once. All else is as in a run: the generator, the workers with their
// timeouts, the recorder, the history on disk.
func Bench(ctx context.Context, o BenchOptions) (r BenchResult, err error) {
	generator, err := workloads.NewGenerator(o.Workload, workloads.Options{Workers: o.Clients})
	if err != nil {
		return r, err
	}
	dir, err := os.MkdirTemp(o.Dir, "ordeal-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "history.jsonl")
	writer, err := history.Create(path)
	if err != nil {
		return r, err
	}
	recorder := &recorder{writer: writer, start: time.Now()}
	crew := &Crew{Clients: o.Clients, Timeout: time.Minute, Seed: 1, Generator: generator, Recorder: recorder, Clock: newRealClock(recorder.start)}
	ctx, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	var working sync.WaitGroup
	for i := range o.Clients {
		working.Go(func() { crew.Worker(i, nullClient{}).Work(ctx) })
	}
	working.Wait()
	elapsed := recorder.now().Seconds()
	if err := recorder.close(); err != nil {
		return r, err
	}
	r = BenchResult{Workload: o.Workload, Clients: o.Clients, Operations: recorder.ok.Load(), Seconds: elapsed}
	if r.Operations == 0 {
		return r, errors.New("nothing was done: give it more time")
	}
	r.Rate = float64(r.Operations) / elapsed
	info, err := os.Stat(path)
	if err != nil {
		return r, err
	}
	r.Bytes = float64(info.Size()) / float64(r.Operations)
	r.Recording, err = benchRecording(filepath.Join(dir, "recording.jsonl"))
	return r, err
}

// benchRecording is the time that one goroutine takes to put an operation on record, in nanoseconds.
func benchRecording(path string) (float64, error) {
	const operations = 200_000
	writer, err := history.Create(path)
	if err != nil {
		return 0, err
	}
	recorder := &recorder{writer: writer, start: time.Now()}
	began := time.Now()
	for i := range operations {
		e := history.Event{Process: i % 10, F: "put", Key: "r17", Input: history.Int(int64(i))}
		recorder.Invoke(&e)
		e.Type, e.Input, e.Node, e.LogIndex = history.OK, history.Nil, "n1", uint64(i)
		recorder.Complete(&e)
	}
	elapsed := time.Since(began)
	if err := recorder.close(); err != nil {
		return 0, fmt.Errorf("recording: %w", err)
	}
	return float64(elapsed.Nanoseconds()) / operations, nil
}
