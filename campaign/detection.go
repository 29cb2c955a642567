package campaign

import (
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
)

// Detection is what it took until a version was found to be wrong, over all cells that it was run in.
type Detection struct {
	Version string        `json:"version"`
	Found   bool          `json:"found"`
	Runs    int           `json:"runs"`              // up to the one that found it, that one included
	Took    time.Duration `json:"took_ns"`           // those runs, one after the other, from set-up to verdict
	Seed    uint64        `json:"seed,omitempty"`    // of the run that found it
	By      []string      `json:"by,omitempty"`      // the checkers that found it
	Reason  string        `json:"reason,omitempty"`  // what they said
	Unknown int           `json:"unknown,omitempty"` // of the runs that came to no verdict
}

// Detections are those of all versions, in the plan's order.
func (c *Campaign) Detections() []Detection {
	runs := slices.Clone(c.Runs)
	sortRuns(runs)
	var all []Detection
	for _, v := range c.Plan.Versions {
		d := Detection{Version: v.Name}
		for i := range runs {
			if r := &runs[i]; r.Version == v.Name && r.Again == 0 && !d.Found {
				d.add(r)
			}
		}
		all = append(all, d)
	}
	return all
}

func (d *Detection) add(r *Run) {
	d.Runs++
	d.Took += r.Elapsed
	switch r.Verdict {
	case checker.Unknown:
		d.Unknown++
	case checker.Invalid:
		d.Found, d.Seed, d.By, d.Reason = true, r.Seed, r.Checkers, r.Reason
	}
}
