package harness

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Test is the definition of one run.
type Test struct {
	Name     string // folder below Results; the workload's if empty
	System   systems.System
	Workload string
	Faults   []nemesis.Spec // none: a run without faults, which is judged as such
	// Schedule, where there is one, is what the nemesis does, in place of what would be drawn for Faults, which are the faults in it.
	Schedule *nemesis.Schedule
	Clients  int
	Rate     float64 // operations a second over all clients; 0: as fast as answers come
	Duration time.Duration
	Seed     uint64
	// OperationTimeout is how long a client waits for an answer before the outcome counts as unknown.
	OperationTimeout time.Duration
	// ServiceBound is how long nothing may be served while a majority is alive and connected; 0: that is not judged.
	ServiceBound time.Duration
	// CheckWhileRunning checks objects as they are given up, and ends the run at the first violation.
	CheckWhileRunning bool

	Results  string            // folder that the run's folder is made in
	Command  []string          // for test.json: what repeats the run
	Versions map[string]string // for test.json
	Mutant   string            // for test.json
	Progress Progress          // nil: nobody watches
	// OnlyFailures leaves the page of a run that is valid out: of thousands of runs nobody opens it.
	OnlyFailures bool

	// For tests of the harness.
	bounds        *bounds
	createHistory func(path string) (*history.Writer, error)
}

// longestTimeout bounds OperationTimeout: a run waits for the operations under way at its end.
const longestTimeout = time.Minute

// Check reports what is wrong with the definition.
func (t *Test) Check() error {
	switch {
	case t.Clients < 1 || t.Clients > 10_000:
		return fmt.Errorf("--clients %d: want 1 to 10000", t.Clients)
	case !(t.Rate >= 0) || math.IsInf(t.Rate, 0):
		return fmt.Errorf("--rate %v: want operations a second, or 0 for as fast as answers come", t.Rate)
	case t.Duration < time.Second:
		return fmt.Errorf("--time %v: want 1s or more", t.Duration)
	case t.OperationTimeout < time.Millisecond || t.OperationTimeout > longestTimeout:
		return fmt.Errorf("--timeout %v: want 1ms to %v", t.OperationTimeout, longestTimeout)
	case t.ServiceBound < 0:
		return fmt.Errorf("--availability-bound %v: want a duration, or 0 for none", t.ServiceBound)
	case t.System == nil:
		return errors.New("a test needs a system")
	}
	if t.Schedule != nil && t.Duration < t.Schedule.Duration {
		return fmt.Errorf("--time %v: the schedule takes %v", t.Duration, t.Schedule.Duration)
	}
	for _, spec := range t.Faults {
		if _, ok := t.System.(systems.Administrator); !ok && nemesis.NeedsMembers(spec.Fault) {
			return fmt.Errorf("--faults %s: nobody knows how to change the members of %s", spec, t.System.Name())
		}
	}
	if d, ok := t.System.(systems.Selective); ok && !slices.Contains(d.Workloads(), t.Workload) {
		return fmt.Errorf("--workload %s: the clients of %s know how to do %s", t.Workload, d.Name(), strings.Join(d.Workloads(), ", "))
	}
	if _, err := workloads.NewGenerator(t.Workload, workloads.Options{Workers: t.Clients}); err != nil {
		return fmt.Errorf("--workload %s: %w", t.Workload, err)
	}
	return nil
}

// document is the definition as the run's folder keeps it, with the ground it stands on.
func (t *Test) document(c Cluster, started time.Time, machine map[string]string) store.Test {
	d := store.Test{Name: t.Name, Command: t.Command, Started: started, System: t.System.Name(), Cluster: c.Kind(),
		Workload: t.Workload, Nodes: c.Nodes(), Clients: t.Clients, Rate: t.Rate, Duration: t.Duration, Seed: t.Seed, OperationTimeout: t.OperationTimeout, ServiceBound: t.ServiceBound,
		Mutant: t.Mutant, Versions: t.Versions, Machine: machine}
	for _, spec := range t.Faults {
		d.Faults = append(d.Faults, spec.String())
	}
	return d
}
