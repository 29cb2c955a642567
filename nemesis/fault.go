package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// The faults there are.
const (
	Partition        = "partition"
	Kill             = "kill"
	MembershipChange = "membership"
	Leadership       = "leader"
)

// mode is one way of a fault.
type mode struct {
	name string
	help string
	// needs is how many nodes the mode is for at least.
	needs int
	// onRequest modes are drawn only when they are named: they say nothing that another mode does not say.
	onRequest func(nodes int) bool
	// instant modes are over when they are injected.
	instant bool
	// choose draws what the mode does. nil: it depends on who leads, which only the run can tell.
	choose func(nodes []string, rng *rand.Rand) plan
}

// plan is what a fault does, where that can be said before the run.
type plan struct {
	links   []Link
	targets []string
	text    string
}

// kind is a fault with its modes, the most telling first.
type kind struct {
	name    string
	modes   []mode
	members bool // it needs a cluster with Members
}

// kinds is the catalogue. The order of the modes is that of the first round of a schedule: what often leaves a majority comes
// first, because a cluster that serves nobody shows no wrong answers.
var kinds = []kind{
	{name: Kill, modes: []mode{
		{name: "leader", needs: 1, help: "the current leader"},
		{name: "one", needs: 1, help: "a random node", choose: killing(func(int) int { return 1 })},
		{name: "minority", needs: 3, help: "as many random nodes as leave a majority", choose: killing(minoritySize)},
		{name: "majority", needs: 2, help: "as few random nodes as leave no majority", choose: killing(majoritySize)},
		{name: "all", needs: 1, help: "every node", choose: killing(func(n int) int { return n })},
	}},
	{name: Partition, modes: []mode{
		{name: "primary", needs: 2, help: "the current leader alone"},
		{name: "minority", needs: 5, help: "the current leader with as many others as leave a majority without it"},
		{name: "majority", needs: 3, help: "a random minority from the majority", choose: cutting(MajorityGrudge)},
		{name: "bridge", needs: 3, help: "two halves, and one node that both reach", choose: cutting(BridgeGrudge)},
		{name: "one-way", needs: 3, help: "what one random side sends to the other is lost, the answers are not", choose: cutting(OneWayGrudge)},
		{name: "one", needs: 2, help: "a random node alone", choose: cutting(OneGrudge)},
		{name: "halves", needs: 2, help: "in the middle; with an even number of nodes nobody has a majority",
			onRequest: func(nodes int) bool { return nodes%2 == 1 || nodes == 2 }, choose: cutting(HalvesGrudge)},
	}},
	{name: MembershipChange, members: true, modes: []mode{
		{name: "shrink", needs: 3, help: "a random voter is removed, and added again", choose: removing(1)},
		{name: "leader", needs: 3, help: "the current leader is"},
		{name: "two", needs: 5, help: "two random voters are, in one change", choose: removing(2)},
	}},
	{name: Leadership, members: true, modes: []mode{
		{name: "transfer", needs: 2, instant: true, help: "leadership is handed to a random other voter"},
	}},
}

func minoritySize(n int) int { return (n - 1) / 2 }

// majoritySize is how many of n nodes have to be down before no majority is up.
func majoritySize(n int) int { return n - n/2 }

func killing(size func(nodes int) int) func([]string, *rand.Rand) plan {
	return func(nodes []string, rng *rand.Rand) plan {
		targets, _ := divide(nodes, size(len(nodes)), rng)
		return killPlan(targets)
	}
}

func killPlan(targets []string) plan {
	return plan{targets: targets, text: "kill " + words(targets)}
}

func removing(size int) func([]string, *rand.Rand) plan {
	return func(nodes []string, rng *rand.Rand) plan {
		targets, _ := divide(nodes, size, rng)
		return removalPlan(targets)
	}
}

func removalPlan(targets []string) plan {
	return plan{targets: targets, text: "remove " + words(targets)}
}

func cutting(grudge func([]string, *rand.Rand) Grudge) func([]string, *rand.Rand) plan {
	return func(nodes []string, rng *rand.Rand) plan { return partitionPlan(grudge(nodes, rng)) }
}

// partitionPlan names as targets the nodes whose sending is cut.
func partitionPlan(g Grudge) plan {
	p := plan{links: g.Links, text: g.Text}
	for _, l := range g.Links {
		if !slices.Contains(p.targets, l.From) {
			p.targets = append(p.targets, l.From)
		}
	}
	return p
}

// leaderPlan is what a mode that depends on the leader does.
func leaderPlan(fault, mode string, nodes []string, leader string) plan {
	switch {
	case fault == Kill:
		return killPlan([]string{leader})
	case mode == "minority":
		return partitionPlan(MinorityGrudge(nodes, leader))
	}
	return partitionPlan(Isolate(nodes, leader))
}

func findKind(name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

func (k kind) mode(name string) (mode, bool) {
	i := slices.IndexFunc(k.modes, func(m mode) bool { return m.name == name })
	if i < 0 {
		return mode{}, false
	}
	return k.modes[i], true
}

func (k kind) modeNames() string {
	names := make([]string, len(k.modes))
	for i, m := range k.modes {
		names[i] = m.name
	}
	return strings.Join(names, ", ")
}

// FaultHelp lists the faults and their modes, a line each, for a command's help text.
func FaultHelp() []string {
	var lines []string
	for _, k := range kinds {
		for _, m := range k.modes {
			lines = append(lines, fmt.Sprintf("%-20s %s", k.name+":"+m.name, m.help))
		}
	}
	return lines
}
