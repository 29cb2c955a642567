package felt

import (
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

const (
	// window is the time in which answers are counted: short beside an election, long beside an answer.
	window = 100 * time.Millisecond
	// asBefore is the share of the calm's answers at which clients count as served as before.
	asBefore = 2 // one half
)

// recoveries measures each heal after which no fault stood: until a window, from the heal on, brings at least half the answers that
// a window in calm brings in the median.
func recoveries(spans []span, ops []history.Operation) []Recovery {
	var answers []time.Duration
	for i := range ops {
		if ops[i].Type == history.OK {
			answers = append(answers, ops[i].Return)
		}
	}
	slices.Sort(answers)
	usual := usualAnswers(spans, answers)
	if usual == 0 {
		return nil
	}
	var all []Recovery
	for i := 1; i < len(spans); i++ {
		if s := spans[i]; len(s.faults) == 0 && len(spans[i-1].faults) > 0 {
			r := Recovery{Fault: spans[i-1].name()}
			r.Took, r.Cut = recovery(s, answers, (usual+asBefore-1)/asBefore)
			all = append(all, r)
		}
	}
	return all
}

// usualAnswers is the median number of answers in a window of calm. The first windows after a heal are calm too; they are few.
func usualAnswers(spans []span, answers []time.Duration) int {
	var counts []int
	for _, s := range spans {
		if len(s.faults) > 0 {
			continue
		}
		for t := s.from; t+window <= s.to; t += window {
			counts = append(counts, between(answers, t, t+window))
		}
	}
	if len(counts) == 0 {
		return 0
	}
	slices.Sort(counts)
	return counts[len(counts)/2]
}

func between(times []time.Duration, from, to time.Duration) int {
	a, _ := slices.BinarySearch(times, from)
	b, _ := slices.BinarySearch(times, to)
	return b - a
}

// recovery is the time until enough answers came within a window for the first time: to the first of them.
func recovery(calm span, answers []time.Duration, enough int) (took time.Duration, cut bool) {
	first, _ := slices.BinarySearch(answers, calm.from)
	for i := first; i+enough <= len(answers) && answers[i+enough-1] < calm.to; i++ {
		if answers[i+enough-1]-answers[i] < window {
			return answers[i] - calm.from, false
		}
	}
	return calm.to - calm.from, true
}

// leaderless is how long no node led the latest term that anybody had told of, as far as the nodes' status was seen.
func leaderless(seen []store.Observation, from, to time.Duration) (none, observed time.Duration) {
	type state struct {
		leads bool
		term  uint64
	}
	nodes, latest := map[string]state{}, uint64(0)
	led := func() bool {
		for _, n := range nodes {
			if n.leads && n.term == latest {
				return true
			}
		}
		return false
	}
	at, begun := from, false
	advance := func(t time.Duration) {
		t = min(max(t, at), to)
		if begun {
			observed += t - at
			if !led() {
				none += t - at
			}
		}
		at = t
	}
	for _, o := range seen {
		advance(o.Time)
		begun = true
		latest = max(latest, o.Term)
		nodes[o.Node] = state{o.Role == "leader", o.Term}
	}
	advance(to)
	return none, observed
}
