package checker

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// harmless are the faults that end no node.
var harmless = []string{"partition", "packet", "pause", "clock", "leader", "transfer", "clients", "old-leader"}

// kills are the faults that end nodes while they stand, and start them again when they are healed ("ended" is the record of
// such a moment itself). All others (disks that
// fail, servers that leave) may end a node at any moment after they were injected, and the node starts again when it does.
var kills = []string{"kill", "power", "ended"}

// stretch is a time in which nodes may have ended and been started again.
type stretch struct{ from, to time.Duration }

const forGood = time.Duration(math.MaxInt64)

// endsOf finds the stretches in what the nemesis did, by when they begin. A fault that does not say whether it was injected or healed is a moment.
func endsOf(nemesis []history.Event) []stretch {
	var ends []stretch
	standing := map[int]int{} // the index in ends of a kill, by its identity
	for i := range nemesis {
		e := &nemesis[i]
		if slices.Contains(harmless, e.F) {
			continue
		}
		var detail struct {
			ID    int           `json:"id"`
			Phase string        `json:"phase"`
			Start time.Duration `json:"start_ns"`
		}
		if len(e.Detail) > 0 && json.Unmarshal(e.Detail, &detail) != nil {
			detail.Phase = ""
		}
		at, stands := standing[detail.ID]
		switch {
		case !slices.Contains(kills, e.F):
			ends = append(ends, stretch{e.Time, forGood})
		case detail.Phase == "" || e.F == "ended":
			ends = append(ends, stretch{e.Time, e.Time})
		case !stands:
			standing[detail.ID] = len(ends)
			from := e.Time
			if detail.Start > 0 { // the node ended between that and the record
				from = min(from, detail.Start)
			}
			ends = append(ends, stretch{from, forGood})
		case detail.Phase == "heal":
			ends[at].to = e.Time
		}
	}
	slices.SortFunc(ends, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(ends); i++ {
		ends[i].to = max(ends[i].to, ends[i-1].to) // when this one and all before are over
	}
	return ends
}

// epoch is the number of the time between two stretches in which nodes may have been started again; whole is false for an
// operation that was under way in one.
func (l *staleLog) epoch(op *history.Operation) (number int, whole bool) {
	number = sort.Search(len(l.ends), func(i int) bool { return l.ends[i].from >= op.Call })
	if number < len(l.ends) && l.ends[number].from <= op.Return {
		return number, false
	}
	return number, number == 0 || l.ends[number-1].to <= op.Call
}
