// Package load drives a store with closed-loop clients and tells how fast it was. Each of the stores that are compared has a
// program that calls Main with a way to open it, so that all of them are asked by the same loop.
package load

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Store is a connection to a cluster. Its calls come from many goroutines.
type Store interface {
	Put(ctx context.Context, key string, value []byte) error
	// Get is a linearizable read.
	Get(ctx context.Context, key string) error
	Close() error
}

// LeaseReader is a Store that can read by the leader's lease.
type LeaseReader interface {
	Lease(ctx context.Context, key string) error
}

// Result is what one run measured. Latencies are in microseconds, CPU is the load generator's own.
type Result struct {
	Op         string  `json:"op"`
	Clients    int     `json:"clients"`
	Operations int     `json:"operations"`
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"rate"` // operations a second
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	Failed     int     `json:"failed"`
	Why        string  `json:"why,omitempty"` // the first failure
	CPU        float64 `json:"cpu_seconds"`
}

const (
	keys      = 10_000
	valueSize = 256
	// connections is how many connections the clients share at most.
	connections = 8
)

func keyName(n int) string { return fmt.Sprintf("%016d", n) }

// Plan is what a run does.
type Plan struct {
	Op      string // put, get, lease, or fill: each key once
	Clients int
	Warmup  time.Duration // not measured
	Time    time.Duration
}

// Main is the program of one store: it reads flags, runs, and prints a Result.
func Main(open func(addresses []string) (Store, error)) {
	var p Plan
	addresses := flag.String("addresses", "", "host:port of each node's client port, separated by commas")
	flag.StringVar(&p.Op, "op", "put", "put, get, lease (a get by the leader's lease), or fill: put each key once")
	flag.IntVar(&p.Clients, "clients", 1, "closed-loop clients")
	flag.DurationVar(&p.Warmup, "warmup", 500*time.Millisecond, "not measured")
	flag.DurationVar(&p.Time, "time", 3*time.Second, "measured")
	flag.Parse()
	r, err := p.Run(func() (Store, error) { return open(strings.Split(*addresses, ",")) })
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// Run opens connections and runs the plan over them.
func (p Plan) Run(open func() (Store, error)) (Result, error) {
	if !slices.Contains([]string{"put", "get", "lease", "fill"}, p.Op) || p.Clients < 1 {
		return Result{}, fmt.Errorf("--op %s --clients %d: want put, get, lease or fill, and a client at least", p.Op, p.Clients)
	}
	var stores []Store
	for range min(p.Clients, connections) {
		s, err := open()
		if err != nil {
			return Result{}, err
		}
		defer s.Close()
		stores = append(stores, s)
	}
	workers := make([]worker, p.Clients)
	start, before := time.Now(), cpu()
	measured := start.Add(p.Warmup)
	end := measured.Add(p.Time)
	var group sync.WaitGroup
	for i := range workers {
		w := &workers[i]
		w.rng, w.value = rand.New(rand.NewPCG(1, uint64(i))), make([]byte, valueSize)
		for j := range w.value {
			w.value[j] = byte(w.rng.Uint32())
		}
		group.Go(func() { w.run(p, stores[i%len(stores)], i, measured, end) })
	}
	group.Wait()
	return p.result(workers, time.Since(measured).Seconds(), cpu()-before), nil
}

func (p Plan) result(workers []worker, seconds, used float64) Result {
	r := Result{Op: p.Op, Clients: p.Clients, Seconds: seconds, CPU: used}
	var all []time.Duration
	for _, w := range workers {
		all = append(all, w.latencies...)
		r.Failed += w.failed
		if r.Why == "" && w.why != nil {
			r.Why = w.why.Error()
		}
	}
	slices.Sort(all)
	r.Operations = len(all)
	if len(all) > 0 {
		r.P50, r.P99 = micros(all[len(all)/2]), micros(all[len(all)*99/100])
	}
	r.Rate = float64(len(all)) / seconds
	return r
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// worker is one closed-loop client.
type worker struct {
	rng       *rand.Rand
	value     []byte
	latencies []time.Duration // of those that began after the warm-up and succeeded
	failed    int
	why       error
}

func (w *worker) run(p Plan, s Store, number int, measured, end time.Time) {
	ctx := context.Background()
	if p.Op == "fill" {
		for k := number; k < keys; k += p.Clients {
			w.note(s.Put(ctx, keyName(k), w.value))
		}
		return
	}
	for {
		began := time.Now()
		if !began.Before(end) {
			return
		}
		if w.note(w.do(ctx, p.Op, s, keyName(w.rng.IntN(keys)))) && !began.Before(measured) {
			w.latencies = append(w.latencies, time.Since(began))
		}
	}
}

func (w *worker) do(ctx context.Context, op string, s Store, key string) error {
	switch reader, can := s.(LeaseReader); {
	case op == "put":
		return s.Put(ctx, key, w.value)
	case op == "get":
		return s.Get(ctx, key)
	case can:
		return reader.Lease(ctx, key)
	}
	return errors.New("this store has no reads by lease")
}

func (w *worker) note(err error) bool {
	if err != nil {
		w.failed++
		if w.why == nil {
			w.why = err
		}
		time.Sleep(10 * time.Millisecond) // a store that refuses is not asked as fast as it can refuse
	}
	return err == nil
}

// cpu is what this process has used, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
