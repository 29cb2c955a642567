package nemesis

import (
	"strings"
	"time"
)

// Closing is the Fault of the last event of a run: the check that nothing is left of any fault.
const Closing = "closing"

// Ended is the Fault of the record of a node's end, at that very moment, where a cluster can tell it: the simulator can. It is
// no fault of its own, but what a fault, a disk or a removal led to.
const Ended = "ended"

// Event is one thing the nemesis did, with the evidence.
type Event struct {
	ID      int      `json:"id"` // of the fault; 0 for Closing, -1 for Ended
	Fault   string   `json:"fault"`
	Mode    string   `json:"mode"`
	Phase   string   `json:"phase"` // PhaseInject or PhaseHeal
	Text    string   `json:"text"`  // for people: "n1 n2 | n3 n4 n5", "kill n3"
	Targets []string `json:"targets,omitempty"`
	// Took: the evidence shows that the fault took hold (inject), or that nothing is left of it (heal).
	Took bool `json:"took"`
	// Stood, of a heal: the evidence shows that the fault still stood right before it was healed.
	Stood bool `json:"stood,omitempty"`
	// Impact, of an injection, is what it takes from the cluster until it is healed.
	Impact *Impact `json:"impact,omitempty"`
	// Disturbs, of a heal: it does more than give back what was taken, and may depose a leader.
	Disturbs bool `json:"disturbs,omitempty"`
	// Wrong is what the system did that it must not, whatever clients saw of it.
	Wrong []string `json:"wrong,omitempty"`
	// Beyond: the fault is more than a replicated log can survive. From here on data may be lost, and the cluster need not serve.
	Beyond   bool     `json:"beyond,omitempty"`
	Evidence []string `json:"evidence"` // for people, one observation each; where Took is false the last one says why

	Start time.Duration `json:"start_ns"` // when the nemesis set about it
	Done  time.Duration `json:"done_ns"`  // when the cluster said that it is in force
	End   time.Duration `json:"end_ns"`   // when the evidence was complete
}

// observe adds a line of evidence.
func (e *Event) observe(line string) { e.Evidence = append(e.Evidence, line) }

// healed notes whether the fault stood to its end, where it stood at all, and whether it is over: early and against say what
// speaks against that.
func (e *Event) healed(stood bool, early, against []string) {
	e.Stood = len(early) == 0 && stood
	if len(early) > 0 {
		e.observe("did not stand to its end: " + strings.Join(early, "; "))
	}
	e.Took = len(against) == 0
	if !e.Took {
		e.observe("is not healed: " + strings.Join(against, "; "))
	}
}
