// Package hunt looks for seeded bugs with the simulator, and counts what that takes.
//
// A mutant is other code, so it is another program: mutants/hunter, built with the patch, runs seeds one after the other until
// one fails, and says so line by line. This package builds such programs, runs several side by side, reads what they say, and
// makes the table of it. What a hunt costs is counted in processor time, which other work of the machine does not change
// much, and in seeds, which it does not change at all.
package hunt

import (
	"cmp"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/mutants"
)

// Finding is a seed that shows the bug.
type Finding struct {
	Seed     uint64 `json:"seed"`
	Workload string `json:"workload"`
	// Kind is invariant, history, liveness or crash; Name the invariant or the checker.
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	Text string `json:"text,omitempty"`
	// Events is to how many faults and operations it was shrunk, and ShrinkSeconds how long that took on the wall; 0: it was not.
	Events        int     `json:"events,omitempty"`
	ShrinkSeconds float64 `json:"shrink_seconds,omitempty"`
}

// Tidings is what a hunter says on a line: how far it is, or how it ended.
type Tidings struct {
	Seeds uint64   `json:"seeds"`
	CPU   float64  `json:"cpu_seconds"`
	Done  bool     `json:"done,omitempty"`
	Found *Finding `json:"found,omitempty"`
	// Failed is why the simulator itself failed at a seed; it ends the hunt.
	Failed string `json:"failed,omitempty"`
}

// Attempt is one hunt, from one first seed on.
type Attempt struct {
	FirstSeed uint64   `json:"first_seed"`
	Seeds     uint64   `json:"seeds"`
	CPU       float64  `json:"cpu_seconds"`
	Found     *Finding `json:"found,omitempty"`
}

// Outcome is what came of the attempts at one mutant.
type Outcome struct {
	Mutant       string    `json:"mutant"`
	Row          string    `json:"row"`
	NoInvariants bool      `json:"no_invariants,omitempty"` // the history and the liveness alone had to find it
	Attempts     []Attempt `json:"attempts"`
	Error        string    `json:"error,omitempty"` // why there are no more attempts: it does not build, say
}

// Missed is how many attempts have not found it.
func (o Outcome) Missed() int {
	n := 0
	for _, a := range o.Attempts {
		if a.Found == nil {
			n++
		}
	}
	return n
}

// Median is the middle of what the attempts took: seeds and processor time until it was found, or the whole budget.
func (o Outcome) Median() (seeds uint64, cpu time.Duration) {
	if len(o.Attempts) == 0 {
		return 0, 0
	}
	bySeeds, byCPU := slices.Clone(o.Attempts), slices.Clone(o.Attempts)
	slices.SortFunc(bySeeds, func(a, b Attempt) int { return cmp.Compare(a.Seeds, b.Seeds) })
	slices.SortFunc(byCPU, func(a, b Attempt) int { return cmp.Compare(a.CPU, b.CPU) })
	middle := len(o.Attempts) / 2
	return bySeeds[middle].Seeds, time.Duration(byCPU[middle].CPU * float64(time.Second))
}

// Events is the middle of what the attempts that were shrunk were shrunk to; 0: none was.
func (o Outcome) Events() int {
	var all []int
	for _, a := range o.Attempts {
		if a.Found != nil && a.Found.ShrinkSeconds > 0 {
			all = append(all, a.Found.Events)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// By tells what found it, the most frequent first.
func (o Outcome) By() []string {
	count := map[string]int{}
	var names []string
	for _, a := range o.Attempts {
		if a.Found == nil {
			continue
		}
		name := a.Found.Kind
		if a.Found.Name != "" {
			name += ": " + a.Found.Name
		}
		if count[name]++; count[name] == 1 {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	return names
}

// HistoryToo tells whether the mutant is to be found from what clients see alone as well: rows 39 to 48 of the list of known
// bugs are of the key-value layer and its reads. So are the bugs of no list that break linearizability.
func HistoryToo(m mutants.Mutant) bool {
	row := m.RowNumber()
	return row >= 39 && row <= 48 || m.Row == mutants.Own && m.Breaks == "LIN"
}
