package felt

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// span is a stretch of time in which the same faults are in force.
type span struct {
	from, to time.Duration
	faults   []string // sorted; none: calm
}

func (s span) name() string {
	if len(s.faults) == 0 {
		return Calm
	}
	return strings.Join(s.faults, "+")
}

// split cuts the time at each begin and end of a fault. A fault that is over at once lasts no time.
func split(faults []store.FaultInterval, from, to time.Duration) []span {
	cuts := []time.Duration{from, to}
	for _, f := range faults {
		for _, t := range []time.Duration{f.Start, f.End} {
			if from < t && t < to {
				cuts = append(cuts, t)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var spans []span
	for i := 1; i < len(cuts); i++ {
		s := span{from: cuts[i-1], to: cuts[i]}
		for _, f := range faults {
			if f.Start <= s.from && s.to <= f.End && !slices.Contains(s.faults, f.Fault) {
				s.faults = append(s.faults, f.Fault)
			}
		}
		slices.Sort(s.faults)
		spans = append(spans, s)
	}
	return spans
}

// phases sums the spans up by name. Spans and operations are in order of time.
func phases(spans []span, ops []history.Operation) []Phase {
	var all []Phase
	latencies := map[string][]float64{}
	next := 0
	for _, s := range spans {
		i := slices.IndexFunc(all, func(p Phase) bool { return p.Name == s.name() })
		if i < 0 {
			i = len(all)
			all = append(all, Phase{Name: s.name()})
		}
		p := &all[i]
		p.Length += s.to - s.from
		for ; next < len(ops) && ops[next].Call < s.to; next++ {
			switch op := &ops[next]; op.Type {
			case history.OK:
				p.OK++
				latencies[p.Name] = append(latencies[p.Name], float64(op.Latency()))
			case history.Fail:
				p.Fail++
			default:
				p.Info++
			}
		}
	}
	for i := range all {
		all[i].quantiles(latencies[all[i].Name])
	}
	slices.SortStableFunc(all, func(a, b Phase) int {
		return cmp.Or(cmp.Compare(btoi(a.Name != Calm), btoi(b.Name != Calm)), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p *Phase) quantiles(latencies []float64) {
	if len(latencies) == 0 {
		return
	}
	slices.Sort(latencies)
	at := func(q float64) time.Duration { return time.Duration(stat.Quantile(q, stat.Empirical, latencies, nil)) }
	p.P50, p.P99, p.Max = at(0.5), at(0.99), time.Duration(latencies[len(latencies)-1])
}
