package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// kind is one sort of fault. Each has a file of its own, and its place in kinds.
//
// To add one: a type with these methods (basic has the plain ones), an entry in kinds, and where it hurts something that
// World does not have, an ability and a field of Abilities. A kind may be a resolver and a closer too. It takes time from n.options.Clock
// only, blocks only there and in calls of the cluster, and starts no goroutines, so that it runs on simulated time too.
type kind interface {
	// name is what the fault is called in --faults, schedules, events and reports.
	name() string
	// modes lists its ways, the most telling first: that is their order in the first round of a schedule.
	modes() []mode
	// needs is what the cluster must be able to do beside World.
	needs() ability
	// inject does what f.step says, gathers evidence, and sets e.Done when the fault is in force and e.Took where the evidence shows
	// that it took hold. Where it does not, the last line of evidence says why.
	inject(ctx context.Context, n *Nemesis, f *fault, e *Event)
	// heal undoes it. Before, it gathers evidence that the fault still stood (e.Stood), after that nothing is left (e.Took).
	heal(ctx context.Context, n *Nemesis, f *fault, e *Event)
}

// resolver is a kind with modes whose plan only the run can tell: those without a choose. A kind with such modes must be one.
type resolver interface {
	resolve(ctx context.Context, n *Nemesis, f *fault) (plan, error)
}

func resolves(k kind) bool { _, ok := k.(resolver); return ok }

// closer is a kind that leaves more behind than cut links and processes that do not run. Where the schedule has
// it, close makes sure at the end of a run that nothing is left, whatever was not healed, and closed says so in words.
type closer interface {
	close(ctx context.Context, n *Nemesis, e *Event) error
	closed() string
}

// chooser is a kind whose parameters say by what means it does what it does; lacks tells why it cannot be done by those.
type chooser interface {
	lacks(ctx context.Context, parameters map[string]string, have Abilities) error
}

// turner is a kind with modes that change while they stand: the schedule has steps of PhaseTurn between injection and heal.
// What they show is evidence of the heal's event.
type turner interface {
	turn(ctx context.Context, n *Nemesis, f *fault)
}

// basic has what most kinds have.
type basic struct {
	title string
	ways  []mode
	of    ability
}

func (b basic) name() string   { return b.title }
func (b basic) modes() []mode  { return b.ways }
func (b basic) needs() ability { return b.of }

// mode is one way of a fault.
type mode struct {
	name string
	help string
	// needs is how many nodes the mode is for at least.
	needs int
	// onRequest modes are drawn only when they are named: they say nothing that another mode does not say.
	onRequest func(nodes int) bool
	// turns is set for modes that change while they stand, about once in turnEvery.
	turns bool
	// instant modes are over when they are injected.
	instant bool
	// of is what this mode needs of the cluster beyond what its kind does.
	of ability
	// choose draws what the mode does. nil: only the run can tell, by the kind's resolve.
	choose func(draw) plan
	// parameters are those of the Spec that asked for the mode, key=value.
	parameters map[string]string
}

// suits reports whether the mode is one that its kind alone asks for, with these parameters.
func (m mode) suits(k kind, nodes int, parameters map[string]string) bool {
	return nodes >= m.needs && !isNobody(parameters[nodesParameter], nodes) && (m.onRequest == nil || !m.onRequest(nodes)) && checkParameters(k, m.name, parameters) == nil
}

// draw is what a mode's plan is drawn from. The same draw gives the same plan.
type draw struct {
	mode       string
	nodes      []string
	rng        *rand.Rand
	parameters map[string]string // the mode's
}

// plan is what a fault does, where that can be said before the run.
type plan struct {
	links   []Link
	targets []string
	text    string
	// parameters are how it does it: those of the Spec, completed by what was drawn. They go into the step as they are,
	// so that inject needs nothing but the step.
	parameters map[string]string
}

// kinds is the catalogue. The order of the modes is that of the first round of a schedule: what often leaves a majority comes
// first, because a cluster that serves nobody shows no wrong answers.
var kinds = []kind{killing, partitioning, pausing, troubling, skewing, hurtingDisks, changing, leading}

func findKind(name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name() == name })
	if i < 0 {
		return nil, false
	}
	return kinds[i], true
}

func findMode(k kind, name string) (mode, bool) {
	modes := k.modes()
	i := slices.IndexFunc(modes, func(m mode) bool { return m.name == name })
	if i < 0 {
		return mode{}, false
	}
	return modes[i], true
}

// FaultNames lists the faults that there are.
func FaultNames() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name()
	}
	return names
}

func kindNames() string { return strings.Join(FaultNames(), ", ") }

func modeNames(k kind) string {
	var names []string
	for _, m := range k.modes() {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

// FaultHelp lists the faults, their modes and their parameters, a line each, for a command's help text.
func FaultHelp() []string {
	var lines []string
	for _, k := range kinds {
		for _, m := range k.modes() {
			lines = append(lines, fmt.Sprintf("%-20s %s", k.name()+":"+m.name, m.help))
		}
		for _, p := range parametersOf(k) {
			of := k.name()
			if len(p.modes) > 0 {
				of += ":" + strings.Join(p.modes, "|")
			}
			lines = append(lines, fmt.Sprintf("  %-18s %s", of+":"+p.name+"=", p.help))
		}
	}
	return lines
}

func minoritySize(n int) int { return (n - 1) / 2 }

// majoritySize is how many of n nodes have to be down before no majority is up.
func majoritySize(n int) int { return n - n/2 }
