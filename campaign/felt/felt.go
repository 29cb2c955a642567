package felt

import (
	"errors"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// Calm is the name of the time without a fault.
const Calm = "calm"

// Run is what the clients of one run felt.
type Run struct {
	// Phases are the stretches of the time in which clients worked, summed up by the faults in force, calm first.
	Phases []Phase `json:"phases"`
	// Leaderless is how much of Observed, the time in which nodes were asked, no node led the latest term anybody knew of.
	Leaderless time.Duration `json:"leaderless_ns"`
	Observed   time.Duration `json:"observed_ns"`
	Recoveries []Recovery    `json:"recoveries,omitempty"`
}

// Phase is the time under some faults. Operations count where they were invoked.
type Phase struct {
	Name   string        `json:"name"` // calm, or the faults in force: "kill", "kill+partition"
	Length time.Duration `json:"length_ns"`
	store.Counts
	P50 time.Duration `json:"p50_ns"` // of the operations that came back ok
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// Recovery is the time from a heal after which no fault was left until clients were served as before.
type Recovery struct {
	Fault string        `json:"fault"`
	Took  time.Duration `json:"took_ns"`
	// Cut: the next fault or the end came before, so it took longer than Took.
	Cut bool `json:"cut,omitempty"`
}

// Check says what is wrong with measurements as they were read; nothing is with none.
func (r *Run) Check() error {
	if r == nil {
		return nil
	}
	bad := r.Leaderless < 0 || r.Observed < r.Leaderless
	for _, p := range r.Phases {
		bad = bad || p.Name == "" || p.Length < 0 || p.OK < 0 || p.Fail < 0 || p.Info < 0 || p.P50 < 0 || p.P99 < p.P50 || p.Max < p.P99
	}
	for _, c := range r.Recoveries {
		bad = bad || c.Fault == "" || c.Took < 0
	}
	if bad {
		return errors.New("felt: times and counts cannot be negative, quantiles go up, and every phase and recovery has a name")
	}
	return nil
}

// Measure measures a run whose clients worked for the time given from their first invocation on. Nil: there is nothing to measure.
func Measure(h *history.History, faults []store.FaultInterval, seen []store.Observation, worked time.Duration) *Run {
	ops := slices.Clone(h.Operations)
	slices.SortFunc(ops, func(a, b history.Operation) int { return int(a.Call - b.Call) })
	if len(ops) == 0 {
		return nil
	}
	from := ops[0].Call
	to := min(from+worked, h.Length)
	if to <= from {
		return nil
	}
	cut, _ := slices.BinarySearchFunc(ops, to, func(op history.Operation, t time.Duration) int { return int(op.Call - t) })
	ops = ops[:cut] // the last reads come after
	spans := split(faults, from, to)
	r := &Run{Phases: phases(spans, ops)}
	r.Leaderless, r.Observed = leaderless(seen, from, to)
	r.Recoveries = recoveries(spans, ops)
	return r
}
