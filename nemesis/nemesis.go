package nemesis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// stepTimeout bounds the calls of one step, so that a cluster that hangs does not hold up the heals.
	stepTimeout = 15 * time.Second
	// closingTimeout bounds all that is done after the run was called off.
	closingTimeout = 30 * time.Second
	// leaderPatience is how long an injection waits for somebody to lead, leaderPoll how often it asks.
	leaderPatience = 2 * time.Second
	leaderPoll     = 25 * time.Millisecond
)

// Options are what a nemesis needs beside a cluster and a schedule. The zero value is usable.
type Options struct {
	// Clock is the time of the events. Default: the machine's, from the call of New.
	Clock Clock
	// Leader names the current leader, or "" where nobody can tell.
	Leader func() string
	// Abilities are what the cluster can do beside World. Where none is given, those that it implements itself.
	Abilities Abilities
	// LogFiles is the pattern (path.Match) of the base names of the files that every node reads whole when it starts; bits are flipped
	// in those. Empty: all files.
	LogFiles string
	// Report is told each event when it is complete, from the goroutine of Run.
	Report func(Event)
}

// Nemesis carries out a schedule on a cluster.
type Nemesis struct {
	world     World
	abilities Abilities
	schedule  Schedule
	options   Options
	events    []Event
	late      []lateClock // of nodes that stood still when their clock was to be set right
	owed      []string    // removed nodes that could not be brought back when their fault was healed

	mu     sync.Mutex
	active []*fault // in the order of injection
}

// fault is an injected fault that is not healed.
type fault struct {
	kind   kind
	step   Step                    // as resolved
	killed map[string]ProcessState // what this fault killed, as it was before
	paused map[string]ProcessState // what it stopped, likewise
	misled map[string]misled       // nodes whose clock it has set wrong, or may have
	flaps  flaps                   // of a partition that comes and goes
	out    []string                // what this fault removed from the cluster, or may have
	before view                    // of a transfer: as it was when it was injected
	took   bool                    // of a change of members, or a transfer
	ails   map[string]DiskState    // nodes that this fault's disk keeps from running, or may; the disk as it was before
	flips  map[string]Flip         // what this fault has flipped
}

// New prepares a run. It refuses a schedule that does not fit the cluster's nodes, or that needs an ability it has not.
func New(world World, schedule Schedule, options Options) (*Nemesis, error) {
	if err := schedule.Validate(world.Nodes()); err != nil {
		return nil, err
	}
	if options.Abilities == (Abilities{}) {
		options.Abilities = AbilitiesOf(world)
	}
	for _, step := range schedule.Steps {
		k, _ := findKind(step.Fault)
		m, _ := findMode(k, step.Mode)
		for _, a := range []ability{k.needs(), m.of} {
			if err := a.lacking(options.Abilities); err != nil {
				return nil, fmt.Errorf("schedule: step at %v: %s needs %w", step.At, step.Fault, err)
			}
		}
		if c, ok := k.(chooser); ok && step.Phase == PhaseInject {
			if err := c.lacks(context.Background(), step.Parameters, options.Abilities); err != nil {
				return nil, fmt.Errorf("schedule: step at %v: %s needs %w", step.At, step.Fault, err)
			}
		}
	}
	if options.Clock == nil {
		options.Clock = NewClock(time.Now())
	}
	if options.Leader == nil {
		options.Leader = func() string { return "" }
	}
	if options.Report == nil {
		options.Report = func(Event) {}
	}
	return &Nemesis{world: world, abilities: options.Abilities, schedule: schedule, options: options}, nil
}

// Validate tells whether the schedule can be run on the nodes.
func (s Schedule) Validate(nodes []string) error {
	for _, step := range s.Steps {
		k, ok := findKind(step.Fault)
		if !ok {
			return fmt.Errorf("schedule: step at %v: there is no fault %q; there are: %s", step.At, step.Fault, kindNames())
		}
		if err := step.checkPhase(k); err != nil {
			return fmt.Errorf("schedule: step at %v: %w", step.At, err)
		}
		named := slices.Clone(step.Targets)
		for _, l := range step.Links {
			named = append(named, l.From, l.To)
		}
		for _, node := range named {
			if !slices.Contains(nodes, node) {
				return fmt.Errorf("schedule: step at %v: there is no node %q; the cluster has %v", step.At, node, nodes)
			}
		}
		if step.Phase == PhaseInject {
			if err := step.checkPlan(k, len(nodes)); err != nil {
				return fmt.Errorf("schedule: step at %v: %w", step.At, err)
			}
		}
	}
	return nil
}

func (s Step) checkPhase(k kind) error {
	switch s.Phase {
	case PhaseInject, PhaseHeal:
		return nil
	case PhaseTurn:
		if m, ok := findMode(k, s.Mode); ok && m.turns {
			return nil
		}
		return fmt.Errorf("%s %s does not change while it stands", s.Fault, s.Mode)
	}
	return fmt.Errorf("the phase is %q; it must be %q or %q", s.Phase, PhaseInject, PhaseHeal)
}

// Active tells what is injected and not healed now, for people: "partition bridge: n1 n2 | n4 n5, bridge n3".
func (n *Nemesis) Active() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	texts := make([]string, len(n.active))
	for i, f := range n.active {
		texts[i] = fmt.Sprintf("%s %s: %s", f.step.Fault, f.step.Mode, f.step.Text)
	}
	return texts
}

// Run carries out the schedule and returns its events. The times of the steps count from the call. When ctx ends, Run injects
// nothing more and heals what is injected, in bounded time. Whatever happens, it ends by opening all links, starting all
// processes and, where the schedule changes members, making every node a voter, with an event of the fault Closing that
// says whether that is so. Errors of the cluster are evidence. An injection that found nobody to hurt has no heal.
func (n *Nemesis) Run(ctx context.Context) []Event {
	start := n.options.Clock.Now()
	for _, step := range n.schedule.Steps {
		if n.options.Clock.Sleep(ctx, start+step.At-n.options.Clock.Now()) != nil {
			break
		}
		n.do(ctx, step)
	}
	closing, cancel := n.within(context.WithoutCancel(ctx), closingTimeout)
	defer cancel()
	for _, f := range n.standing() {
		n.heal(closing, f, ctx.Err() != nil)
	}
	n.report(n.close(closing))
	return n.events
}

// within is a context that ends after d, on the clock's time where it can tell that.
func (n *Nemesis) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if c, ok := n.options.Clock.(interface {
		WithTimeout(context.Context, time.Duration) (context.Context, context.CancelFunc)
	}); ok {
		return c.WithTimeout(ctx, d)
	}
	return context.WithTimeout(ctx, d)
}

func (n *Nemesis) do(ctx context.Context, step Step) {
	if step.Phase == PhaseInject {
		ctx, cancel := n.within(ctx, stepTimeout)
		defer cancel()
		n.inject(ctx, step)
		return
	}
	// A heal or a turn that has begun is brought to its end.
	ctx, cancel := n.within(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	for _, f := range n.standing() {
		switch {
		case f.step.ID != step.ID:
		case step.Phase == PhaseTurn:
			f.kind.(turner).turn(ctx, n, f)
		default:
			n.heal(ctx, f, false)
		}
	}
}

func (n *Nemesis) inject(ctx context.Context, step Step) {
	e := Event{ID: step.ID, Fault: step.Fault, Mode: step.Mode, Phase: PhaseInject, Start: n.now()}
	k, _ := findKind(step.Fault)
	f := &fault{kind: k, step: step}
	err := n.resolve(ctx, f)
	step = f.step
	e.Text, e.Targets = step.Text, step.Targets
	if err != nil {
		e.Text = "the leader"
		e.Done = n.now()
		e.observe("did not take hold: " + err.Error())
		n.report(e)
		return
	}
	n.mu.Lock()
	n.active = append(n.active, f)
	n.mu.Unlock()
	k.inject(ctx, n, f, &e)
	e.Impact = impactOf(f)
	n.report(e)
}

// heal ends a fault. calledOff says that the run ended before the fault's time.
func (n *Nemesis) heal(ctx context.Context, f *fault, calledOff bool) {
	e := Event{ID: f.step.ID, Fault: f.step.Fault, Mode: f.step.Mode, Phase: PhaseHeal, Text: f.step.Text, Targets: f.step.Targets, Start: n.now()}
	if calledOff {
		e.observe("the run was called off: healed before its time")
	}
	f.kind.heal(ctx, n, f, &e)
	n.mu.Lock()
	n.active = slices.DeleteFunc(n.active, func(a *fault) bool { return a == f })
	n.mu.Unlock()
	n.setLateClocks(ctx, &e)
	if f.kind.needs() != toChangeMembers {
		n.repay(ctx, &e) // it may have stood in the way
	}
	n.report(e)
}

// resolve fills in what only the run can tell.
func (n *Nemesis) resolve(ctx context.Context, f *fault) error {
	step := &f.step
	if step.Text != "" {
		return nil
	}
	p, err := f.kind.(resolver).resolve(ctx, n, f)
	if err != nil {
		return err
	}
	step.fill(p)
	return nil
}

func (n *Nemesis) leader(ctx context.Context) (string, error) {
	for end := n.now() + leaderPatience; ; {
		leader := n.options.Leader()
		if slices.Contains(n.world.Nodes(), leader) {
			return leader, nil
		}
		if n.now() >= end || n.options.Clock.Sleep(ctx, leaderPoll) != nil {
			return "", fmt.Errorf("nobody was known to lead within %v", leaderPatience)
		}
	}
}

func (n *Nemesis) standing() []*fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.active)
}

func (n *Nemesis) now() time.Duration { return n.options.Clock.Now() }

func (n *Nemesis) report(e Event) {
	e.End = n.now()
	e.Done = cmp.Or(e.Done, e.End)
	n.events = append(n.events, e)
	n.options.Report(e)
}
