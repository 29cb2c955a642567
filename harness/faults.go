package harness

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
)

// FaultIntervals joins the nemesis's events in a history into faults, from injection to heal, in order of injection.
func FaultIntervals(h *history.History) []store.FaultInterval {
	var faults []store.FaultInterval
	for _, event := range h.Nemesis {
		var e nemesis.Event
		if json.Unmarshal(event.Detail, &e) != nil || e.Fault == nemesis.Closing {
			continue
		}
		if e.Phase == nemesis.PhaseInject {
			faults = append(faults, store.FaultInterval{ID: e.ID, Fault: e.Fault, Mode: e.Mode, Text: e.Text, Start: e.Done, End: h.Length,
				Took: e.Took, Evidence: e.Evidence})
			continue
		}
		if i := slices.IndexFunc(faults, func(f store.FaultInterval) bool { return f.ID == e.ID && !f.Healed }); i >= 0 {
			f := &faults[i]
			f.End, f.Healed = e.Start, e.Took
			f.Took = f.Took && e.Stood
			f.Evidence = append(f.Evidence, e.Evidence...)
		}
	}
	countOverlaps(faults, h)
	return faults
}

// countOverlaps counts the operations that were open while each fault was in force.
func countOverlaps(faults []store.FaultInterval, h *history.History) {
	calls := make([]time.Duration, 0, len(h.Operations))
	returns := make([]time.Duration, 0, len(h.Operations))
	for i := range h.Operations {
		calls = append(calls, h.Operations[i].Call)
		returns = append(returns, h.Operations[i].Return)
	}
	slices.Sort(calls)
	slices.Sort(returns)
	for i := range faults {
		f := &faults[i]
		called, _ := slices.BinarySearch(calls, f.End)       // called before the end of the fault
		returned, _ := slices.BinarySearch(returns, f.Start) // and not returned before its begin
		f.Overlaps = max(0, called-returned)
	}
}
