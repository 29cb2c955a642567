package nemesis

import "slices"

// Impact is what a fault takes from the cluster while it stands, as far as its kind can tell for sure.
type Impact struct {
	Down []string `json:"down,omitempty"` // nodes that take no part
	Cut  []Link   `json:"cut,omitempty"`  // links that pass nothing
	Out  []string `json:"out,omitempty"`  // nodes that are no voters: from the end of the injection to that of the heal, each of which may be a joint configuration
	// Vague: what the cluster can do under it cannot be told: it comes and goes, slows down, keeps clients off.
	Vague bool `json:"vague,omitempty"`
}

// limiter is a kind that can tell what it takes. Of another nobody knows.
type limiter interface {
	impact(f *fault) Impact
}

// impactOf is what the fault takes as it stands.
func impactOf(f *fault) *Impact {
	l, ok := f.kind.(limiter)
	if !ok {
		return &Impact{Vague: true}
	}
	i := l.impact(f)
	return &i
}

func (kill) impact(f *fault) Impact { return Impact{Down: heldBy(f.step.Targets, f.killed)} }

func (pause) impact(f *fault) Impact { return Impact{Down: heldBy(f.step.Targets, f.paused)} }

func (partition) impact(f *fault) Impact {
	if f.step.Mode == flappingMode || f.step.Mode == ClientsMode {
		return Impact{Vague: true}
	}
	return Impact{Cut: f.step.Links}
}

func (membership) impact(f *fault) Impact { return Impact{Out: f.out} }

func (disks) impact(f *fault) Impact {
	switch {
	case slices.Contains([]string{slowSync, loseMajority, truncatedLog}, f.step.Mode):
		return Impact{Vague: true}
	case f.ails != nil:
		return Impact{Down: heldBy(f.step.Targets, f.ails)}
	}
	return Impact{Down: heldBy(f.step.Targets, f.killed)}
}

// heldBy lists the targets that are in the set.
func heldBy[T any](targets []string, set map[string]T) []string {
	return slices.DeleteFunc(slices.Clone(targets), func(node string) bool { _, in := set[node]; return !in })
}

// Quorum reports whether some voter can lead, which takes a majority of every one of the configurations (sets of voters; two of them
// while they are joint) that is up and that it reaches and is reached by. Other nodes may see nothing of it.
func Quorum(nodes []string, configurations [][]string, faults []Impact) bool {
	var down []string
	var cut []Link
	for _, f := range faults {
		down, cut = append(down, f.Down...), append(cut, f.Cut...)
	}
	return slices.ContainsFunc(nodes, func(leader string) bool {
		votes := slices.ContainsFunc(configurations, func(voters []string) bool { return slices.Contains(voters, leader) })
		if !votes || slices.Contains(down, leader) {
			return false
		}
		return !slices.ContainsFunc(configurations, func(voters []string) bool {
			return 2*reached(leader, voters, down, cut) <= len(voters)
		})
	})
}

// reached counts the voters that are up and connected with the node in both directions, itself included.
func reached(node string, voters, down []string, cut []Link) int {
	n := 0
	for _, v := range voters {
		if !slices.Contains(down, v) && !slices.Contains(cut, Link{node, v}) && !slices.Contains(cut, Link{v, node}) {
			n++
		}
	}
	return n
}
