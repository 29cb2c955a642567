package compare

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/felt"
	"github.com/ordeal-dev/ordeal/campaign/stats"
	"github.com/ordeal-dev/ordeal/checker"
)

// Tally is what came of a side's runs in a cell.
type Tally struct {
	Runs    int `json:"runs"`
	Invalid int `json:"invalid"`
	Unknown int `json:"unknown"` // without those that the harness failed in
	Failed  int `json:"failed"`  // the harness did
	// Why is the reason that most of the unknown and the failed runs give.
	Why string `json:"why_unknown,omitempty"`
	// Rate is that of the invalid among the runs that came to a verdict.
	Rate     float64        `json:"rate"`
	Interval stats.Interval `json:"interval"`

	Violations []Violation `json:"violations,omitempty"`
	Felt       []Metric    `json:"felt,omitempty"`
}

// judged is how many runs came to a verdict.
func (t *Tally) judged() int { return t.Runs - t.Unknown - t.Failed }

// counted is how many runs the harness brought to an end.
func (t *Tally) counted() int { return t.Runs - t.Failed }

// Violation is a run that was invalid.
type Violation struct {
	Run      int            `json:"run"`
	Seed     uint64         `json:"seed"`
	Reason   string         `json:"reason"`
	Replay   []string       `json:"replay"` // the command that runs it again
	Folder   string         `json:"folder,omitempty"`
	Again    int            `json:"again"` // of Of repetitions with the same seed and schedule, so many were invalid
	Of       int            `json:"of"`
	Interval stats.Interval `json:"interval"` // of the rate at which it comes again
}

// Metric is something that clients felt: the median over runs.
type Metric struct {
	Name     string         `json:"name"` // "throughput", "p50", "p99", "leaderless", "recovery"
	Phase    string         `json:"phase,omitempty"`
	Unit     string         `json:"unit"`
	Runs     int            `json:"runs"` // that had such a phase
	Median   float64        `json:"median"`
	Interval stats.Interval `json:"interval"`
	Sure     bool           `json:"sure"` // the runs were enough for the interval's confidence

	values []float64
}

// higherIsBetter tells which way a metric is good.
func (m Metric) higherIsBetter() bool { return m.Name == "throughput" }

// tally counts a side's runs; nil where it has none under these conditions.
func tally(s Side, c Conditions, confidence float64) *Tally {
	runs := s.runs(c)
	if len(runs) == 0 {
		return nil
	}
	t := &Tally{Runs: len(runs)}
	repetitions := s.Campaign.Repetitions()
	reasons := map[string]int{}
	for i := range runs {
		if runs[i].Verdict == checker.Unknown {
			reasons[runs[i].Reason]++
		}
		switch r := &runs[i]; {
		case r.Failed:
			t.Failed++
		case r.Verdict == checker.Unknown:
			t.Unknown++
		case r.Verdict == checker.Invalid:
			t.Invalid++
			t.Violations = append(t.Violations, violation(s, r, repetitions[r.Number], confidence))
		}
	}
	t.Why = mostCommon(reasons)
	if t.judged() > 0 {
		t.Rate = float64(t.Invalid) / float64(t.judged())
	}
	t.Interval = stats.Wilson(t.Invalid, t.judged(), confidence)
	slices.SortFunc(t.Violations, func(a, b Violation) int { return cmp.Compare(a.Run, b.Run) })
	t.Felt = metrics(runs, confidence)
	return t
}

// mostCommon is the text that comes most often, the first of the alphabet where several do.
func mostCommon(texts map[string]int) (most string) {
	for text, n := range texts {
		if n > texts[most] || n == texts[most] && text < most {
			most = text
		}
	}
	return most
}

func violation(s Side, r *campaign.Run, repeated campaign.Repeated, confidence float64) Violation {
	v := Violation{Run: r.Number, Seed: r.Seed, Reason: r.Reason, Replay: s.Campaign.Replay(r), Folder: r.Folder, Again: repeated.Again, Of: repeated.Of}
	v.Interval = stats.Wilson(v.Again, v.Of, confidence)
	return v
}

// metrics are what clients felt, each run counting once.
func metrics(runs []campaign.Run, confidence float64) []Metric {
	var all []Metric
	add := func(name, phase, unit string, value float64) {
		i := slices.IndexFunc(all, func(m Metric) bool { return m.Name == name && m.Phase == phase })
		if i < 0 {
			i = len(all)
			all = append(all, Metric{Name: name, Phase: phase, Unit: unit})
		}
		all[i].values = append(all[i].values, value)
	}
	for i := range runs {
		if f := runs[i].Felt; f != nil && !runs[i].Failed {
			measure(f, add)
		}
	}
	for i := range all {
		m := &all[i]
		m.Runs, m.Median = len(m.values), stats.Median(m.values)
		m.Interval, m.Sure = stats.MedianInterval(m.values, confidence)
	}
	slices.SortStableFunc(all, func(a, b Metric) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), strings.Compare(a.Phase, b.Phase))
	})
	return all
}

// order of metrics on a page: calm before faults.
func order(m Metric) int {
	i := 2 * slices.Index([]string{"throughput", "p50", "p99", "leaderless", "recovery"}, m.Name)
	if m.Phase != felt.Calm {
		i++
	}
	return i
}

// shortestPhase is what a phase has to last in a run for a throughput to mean something.
const shortestPhase = 200 * time.Millisecond

func measure(f *felt.Run, add func(name, phase, unit string, value float64)) {
	const millisecond = float64(time.Millisecond)
	for _, p := range f.Phases {
		if p.Length >= shortestPhase {
			add("throughput", p.Name, "op/s", float64(p.OK)/p.Length.Seconds())
		}
		if p.OK > 0 {
			add("p50", p.Name, "ms", float64(p.P50)/millisecond)
			add("p99", p.Name, "ms", float64(p.P99)/millisecond)
		}
	}
	if f.Observed > 0 {
		add("leaderless", "", "%", 100*float64(f.Leaderless)/float64(f.Observed))
	}
	took := map[string][]float64{}
	for _, r := range f.Recoveries { // one cut short took longer: its time is a lower bound, which a median can take
		took[r.Fault] = append(took[r.Fault], float64(r.Took)/millisecond)
	}
	for fault, values := range took {
		add("recovery", fault, "ms", stats.Median(values))
	}
}
