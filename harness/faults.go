package harness

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
)

// FaultIntervals joins the nemesis's events in a history into faults, from injection to heal, in order of injection.
// A fault that took hold and did not stand to its end counts as one that did not take.
func FaultIntervals(h *history.History) []store.FaultInterval { return readNemesis(h).faults }

// torments are what a history tells of the nemesis.
type torments struct {
	faults     []store.FaultInterval
	whole      bool          // the nemesis has shown at the end that nothing is left of any fault
	left       string        // where it has not: why, for people
	beyond     string        // the first fault that is more than can be survived, and took hold; empty: none
	beyondAt   time.Duration // when it began
	wrong      []string      // what the nemesis saw nodes do that they must not
	unreadable int           // events that are not the nemesis's own
}

func readNemesis(h *history.History) torments {
	t := torments{left: "the nemesis did not come to its end"}
	for _, event := range h.Nemesis {
		var e nemesis.Event
		switch err := json.Unmarshal(event.Detail, &e); {
		case err != nil || e.Fault == "":
			t.unreadable++
		case e.Fault == nemesis.Closing:
			t.close(e)
		case e.Phase == nemesis.PhaseInject:
			t.wrong = append(t.wrong, e.Wrong...)
			if e.Beyond && t.beyond == "" {
				t.beyond, t.beyondAt = strings.TrimSpace(e.Fault+" "+e.Mode), e.Start
			}
			t.whole = false // nothing shows that this one is gone
			t.faults = append(t.faults, store.FaultInterval{ID: e.ID, Fault: e.Fault, Mode: e.Mode, Text: e.Text, Start: e.Done, End: h.Length,
				Took: e.Took, Evidence: e.Evidence})
		default:
			t.heal(e)
		}
	}
	countOverlaps(t.faults, h)
	return t
}

func (t *torments) close(e nemesis.Event) {
	t.whole, t.left = e.Took, ""
	if !e.Took {
		t.left = strings.Join(e.Evidence[max(0, len(e.Evidence)-1):], "; ")
	}
}

func (t *torments) heal(e nemesis.Event) {
	i := slices.IndexFunc(t.faults, func(f store.FaultInterval) bool { return f.ID == e.ID && !f.Healed })
	if i < 0 {
		return
	}
	f := &t.faults[i]
	f.End, f.Healed = e.Start, e.Took
	f.Took = f.Took && e.Stood
	f.Evidence = append(slices.Clip(f.Evidence), e.Evidence...)
}

// countOverlaps counts the operations that were open while each fault was in force. One without a known end counts only
// where it began: it is open for ever on paper, and would be under way during faults that nobody worked under.
func countOverlaps(faults []store.FaultInterval, h *history.History) {
	calls := make([]time.Duration, 0, len(h.Operations))
	returns := make([]time.Duration, 0, len(h.Operations))
	for i := range h.Operations {
		op := &h.Operations[i]
		calls = append(calls, op.Call)
		if op.Return == history.Forever {
			returns = append(returns, op.Call)
		} else {
			returns = append(returns, op.Return)
		}
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

// describe names a fault for people.
func describe(f store.FaultInterval) string {
	text := strings.TrimSpace(f.Fault + " " + f.Mode)
	if f.Text == "" {
		return text
	}
	return fmt.Sprintf("%s (%s)", text, f.Text)
}
