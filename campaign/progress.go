package campaign

import (
	"maps"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
)

// Progress is how far a campaign is, all that was done before included. Repetitions count apart.
type Progress struct {
	Total              int // 0: until the time is up
	Runs               int
	Invalid, Unknown   int
	Failed             int // of the unknown: the harness failed
	Repetitions        int
	Operations, Faults int
	Simulated          time.Duration
	Coverage           map[string]uint64
	Last               Run // the latest that is not valid; the zero Run: there is none
}

func newProgress(p *Plan) Progress { return Progress{Total: p.Total(), Coverage: map[string]uint64{}} }

func (p *Progress) add(r *Run) {
	if r.Again > 0 {
		p.Repetitions++
		return
	}
	p.Runs++
	p.Operations += r.Operations.OK + r.Operations.Fail + r.Operations.Info
	p.Faults += r.Took
	p.Simulated += r.Simulated
	for name, n := range r.Coverage {
		p.Coverage[name] += n
	}
	switch r.Verdict {
	case checker.Valid:
		return
	case checker.Invalid:
		p.Invalid++
	default:
		p.Unknown++
	}
	if r.Failed {
		p.Failed++
	}
	p.Last = *r
}

func (p Progress) clone() Progress {
	p.Coverage = maps.Clone(p.Coverage)
	return p
}
