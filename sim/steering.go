package sim

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

var troubleNames = [troubles]string{troubleLoss: "loss", troubleSlow: "slow", troubleRepeat: "repeat", troubleOvertake: "overtake", troubleBreaks: "breaks",
	troubleTornWork: "torn-work", troubleFailedWork: "failed-work", troubleSlowDisk: "slow-disk", troubleBatches: "batches", troubleKill: "kill",
	troublePower: "power", troublePause: "pause", troublePartition: "partition", troubleFlap: "flap", troubleStorm: "storm", troubleClock: "clock",
	troubleDisk: "disk", troubleMembership: "membership", troubleTransfer: "transfer", troubleMoment: "moment",
	troubleOldLeader: "old-leader", troubleHang: "hang", troubleEarly: "early", troubleHurry: "hurry",
	troubleSuccession: "succession", troubleSplitChange: "split-change"}

// String names the weights that are not the usual ones: "kill=500,loss=120". ParseWeights reads it.
func (w Weights) String() string {
	var parts []string
	for i, usual := range UsualWeights() {
		if w[i] != usual {
			parts = append(parts, fmt.Sprintf("%s=%d", troubleNames[i], w[i]))
		}
	}
	return strings.Join(parts, ",")
}

// ParseWeights reads weights: the usual ones but for those named.
func ParseWeights(text string) (Weights, error) {
	w := UsualWeights()
	if text == "" {
		return w, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(part, "=")
		i := 0
		for i < len(troubleNames) && troubleNames[i] != strings.TrimSpace(name) {
			i++
		}
		if i == len(troubleNames) {
			return w, fmt.Errorf("weights: there is no %q; there are %s", name, strings.Join(troubleNames[:], ", "))
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > 1000 {
			return w, fmt.Errorf("weights: %s=%s: want a number from 0 to 1000, the likelihood in a thousand", name, number)
		}
		w[i] = n
	}
	return w, nil
}

// Steering learns which kinds of trouble lead to rare states. A run's worth is what it reached, the rarer the more; a kind of trouble
// is drawn the more often the more the runs with it were worth than those without. All in whole numbers, and in
// the order of the runs, so that the same batch is steered the same way everywhere. It may be used from several goroutines.
type Steering struct {
	mu      sync.Mutex
	usual   Weights
	reached [counters]int64 // in how many runs
	with    [troubles]tally
	without [troubles]tally
}

type tally struct {
	runs, worth int64
}

// NewSteering knows nothing yet, and draws from these weights.
func NewSteering(usual Weights) *Steering { return &Steering{usual: usual} }

// Learn takes in a run.
func (s *Steering) Learn(r *Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	worth := int64(0)
	for i, n := range r.Coverage {
		if n > 0 {
			s.reached[i]++
			worth += 1_000_000 / s.reached[i]
		}
	}
	for t, has := range r.Plan.Troubles {
		tally := &s.without[t]
		if has {
			tally = &s.with[t]
		}
		tally.runs++
		tally.worth += worth
	}
}

// fewest is how many runs with and without a trouble have to be known before anything follows from them.
const fewest = 20

// Weights are what the next plans are drawn from: the usual ones, at most doubled or halved, and never so that a trouble is always
// or hardly ever there.
func (s *Steering) Weights() Weights {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.usual
	for t := range w {
		with, without := s.with[t], s.without[t]
		if with.runs < fewest || without.runs < fewest || without.worth == 0 || with.worth == 0 {
			continue
		}
		// mean worth with, against mean worth without
		factor := with.worth / with.runs * 1000 / max(without.worth/without.runs, 1)
		factor = min(max(factor, 500), 2000)
		w[t] = min(max(w[t]*int(factor)/1000, 50), 850)
	}
	return w
}
