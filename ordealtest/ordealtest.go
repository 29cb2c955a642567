// Package ordealtest puts a store through an ordeal from within `go test`: clients work on it while nodes are killed (and paused, and cut off, where the
// test knows how), and the test fails if what they saw was not linearizable.
//
//	func TestStore(t *testing.T) {
//		ordealtest.Test(t, &cluster{...}, ordealtest.Options{Nodes: 3, Faults: "kill", Time: 10 * time.Second})
//	}
package ordealtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/harness/managed"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Nodes is what a test has to bring: how nodes are started and killed, and a client. Methods may be called by many goroutines.
type Nodes interface {
	// Start starts a node, anew or again with what it had on disk, and returns once it runs; it need not serve yet.
	Start(ctx context.Context, node string) error
	// Kill ends it without a word, as a power switch does.
	Kill(ctx context.Context, node string) error
	// Open makes a client of the node.
	Open(node string) (Client, error)
}

// Pauser is Nodes that can be made to stand still, as SIGSTOP does.
type Pauser interface {
	Pause(ctx context.Context, node string) error
	Resume(ctx context.Context, node string) error
}

// Partitioner is Nodes whose links can be cut.
type Partitioner interface {
	// Cut makes exactly these links pass nothing; none heals all.
	Cut(ctx context.Context, links []Link) error
	// Probe tells of each link whether something sent on it now arrives: the evidence of a partition.
	Probe(ctx context.Context, links []Link) ([]bool, error)
}

// Leader is Nodes that can tell whether a node leads; faults that aim at leaders need it.
type Leader interface {
	Leads(ctx context.Context, node string) (bool, error)
}

// Client does operations of one workload, one at a time. See Completion for what it has to be careful about.
type Client = systems.Client

// What clients are given, and what they answer.
type (
	Operation  = workloads.Operation
	Completion = systems.Completion
	Link       = nemesis.Link
	Value      = history.Value
)

// Outcomes: Fail is for what surely had no effect, Info for what may have had one, or may yet have one.
const (
	OK   = history.OK
	Fail = history.Fail
	Info = history.Info
)

// Options say what is done to the store. The zero value is a useful test of ten seconds.
type Options struct {
	Name     string        // of the system, in reports; default: the test's
	Nodes    int           // default 3, named n1, n2, ...
	Workload string        // default register: get, put, cas
	Faults   string        // as --faults takes them; default kill:one
	Clients  int           // default 5
	Rate     float64       // operations a second; default 200
	Time     time.Duration // default 10s
	Timeout  time.Duration // of an operation; default 1s
	Seed     uint64        // of faults and operations; 0: drawn from the time
	// ServiceBound is how long nothing may be served while a majority is alive and connected; 0: that is not judged.
	ServiceBound time.Duration
	// Results is where the run's folder with history, evidence and report.html is kept; default: a temporary folder that is removed if the run is valid.
	Results string
}

func (o Options) withDefaults(name string) Options {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&o.Name, name)
	set(&o.Workload, "register")
	set(&o.Faults, "kill:one")
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Clients == 0 {
		o.Clients = 5
	}
	if o.Rate == 0 {
		o.Rate = 200
	}
	if o.Time == 0 {
		o.Time = 10 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	return o
}

// Test runs the store and fails the test unless the verdict is valid. A run that says nothing (a fault that did not take hold, an operation that never
// succeeded) fails it too.
func Test(t testing.TB, nodes Nodes, o Options) {
	t.Helper()
	verdict, err := Run(t.Context(), nodes, o.withDefaults(t.Name()))
	switch {
	case err != nil:
		t.Fatalf("ordeal: %v", err)
	case verdict.Verdict != checker.Valid:
		t.Errorf("ordeal: %s: %s\n  history, evidence and report: %s", verdict.Verdict, verdict.Reason, verdict.Folder)
	default:
		t.Logf("ordeal: valid: %s", verdict.Reason)
	}
}

// Verdict of a run: valid, invalid or unknown.
type Verdict struct {
	Verdict checker.Verdict
	Reason  string
	Folder  string // of the run; empty where it was removed
}

// Run runs the store and says what came of it. An error means that the harness or the test's own nodes failed.
func Run(ctx context.Context, nodes Nodes, o Options) (Verdict, error) {
	o = o.withDefaults("store")
	faults, err := nemesis.ParseFaults(o.Faults)
	if err != nil {
		return Verdict{}, fmt.Errorf("Options.Faults %q: %w", o.Faults, err)
	}
	results := o.Results
	if results == "" {
		if results, err = os.MkdirTemp("", "ordealtest-"); err != nil {
			return Verdict{}, err
		}
	}
	var names []string
	for i := range o.Nodes {
		names = append(names, fmt.Sprintf("n%d", i+1))
	}
	m := &manager{nodes: nodes, options: o, runs: map[string]bool{}, paused: map[string]bool{}}
	out, err := harness.Run(ctx, harness.Test{Name: "ordealtest", System: managed.System{Manager: m}, Workload: o.Workload, Faults: faults, Clients: o.Clients,
		Rate: o.Rate, Duration: o.Time, Seed: o.Seed, OperationTimeout: o.Timeout, ServiceBound: o.ServiceBound, Results: results}, managed.New(m, names))
	if err != nil && o.Results == "" {
		err = errors.Join(err, os.RemoveAll(results))
	}
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Verdict: out.Verdict.Verdict, Reason: out.Verdict.Reason, Folder: filepath.Clean(out.Run.Folder)}
	if v.Verdict == checker.Valid && o.Results == "" {
		v.Folder = ""
		return v, os.RemoveAll(results)
	}
	return v, nil
}

// manager makes a managed.Manager of a test's nodes.
type manager struct {
	nodes   Nodes
	options Options

	mu     sync.Mutex
	runs   map[string]bool // nodes that were started and not killed since
	paused map[string]bool
}

var errUnable = errors.New("the test does not know how to")

func (m *manager) Name() string { return m.options.Name }

func (m *manager) Abilities() managed.Abilities {
	a := managed.Abilities{Workloads: workloads.Names()}
	_, a.Pause = m.nodes.(Pauser)
	_, a.Partition = m.nodes.(Partitioner)
	_, a.Status = m.nodes.(Leader)
	return a
}

func (m *manager) Setup(context.Context, []string) error { return nil }

func (m *manager) note(node string, runs, paused bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs[node], m.paused[node] = runs, paused
}

func (m *manager) Start(ctx context.Context, node string) error {
	err := m.nodes.Start(ctx, node)
	if err == nil {
		m.note(node, true, false)
	}
	return err
}

func (m *manager) Kill(ctx context.Context, node string) error {
	err := m.nodes.Kill(ctx, node)
	if err == nil {
		m.note(node, false, false)
	}
	return err
}

func (m *manager) State(_ context.Context, node string) (managed.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return managed.State{Running: m.runs[node], Paused: m.paused[node]}, nil
}

func (m *manager) Pause(ctx context.Context, node string) error {
	p, ok := m.nodes.(Pauser)
	if !ok {
		return errUnable
	}
	err := p.Pause(ctx, node)
	if err == nil {
		m.note(node, true, true)
	}
	return err
}

func (m *manager) Resume(ctx context.Context, node string) error {
	p, ok := m.nodes.(Pauser)
	if !ok {
		return errUnable
	}
	err := p.Resume(ctx, node)
	if err == nil {
		m.note(node, true, false)
	}
	return err
}

func (m *manager) Cut(ctx context.Context, links []nemesis.Link) error {
	if p, ok := m.nodes.(Partitioner); ok {
		return p.Cut(ctx, links)
	}
	return errUnable
}

func (m *manager) Probe(ctx context.Context, links []nemesis.Link) ([]bool, error) {
	if p, ok := m.nodes.(Partitioner); ok {
		return p.Probe(ctx, links)
	}
	return nil, errUnable
}

func (m *manager) Status(ctx context.Context, node string) (systems.Status, error) {
	p, ok := m.nodes.(Leader)
	if !ok {
		return systems.Status{}, errUnable
	}
	leads, err := p.Leads(ctx, node)
	return systems.Status{Leads: leads}, err
}

func (m *manager) Open(node string) (systems.Client, error) { return m.nodes.Open(node) }

func (m *manager) Logs(context.Context, string) error { return nil }

// Teardown kills what runs.
func (m *manager) Teardown(ctx context.Context) error {
	m.mu.Lock()
	var running []string
	for node, runs := range m.runs {
		if runs {
			running = append(running, node)
		}
	}
	m.mu.Unlock()
	var errs []error
	for _, node := range running {
		errs = append(errs, m.Kill(ctx, node))
	}
	return errors.Join(errs...)
}
