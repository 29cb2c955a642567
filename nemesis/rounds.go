package nemesis

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Rounds is a schedule that has each of the faults by itself, one after the other, as often as there are rounds: for measuring what they take.
// Each stands for hold, with calm before and after it. Specs without a mode stand for all that suit the nodes.
func Rounds(specs []Spec, nodes []string, seed uint64, rounds int, hold, calm time.Duration) (Schedule, error) {
	rng := rand.New(rand.NewPCG(seed, 0x726f756e6473))
	s := Schedule{Nodes: slices.Clone(nodes), Seed: seed}
	var once []span
	for _, spec := range specs {
		supply, err := newSupply([]Spec{spec}, len(nodes), rng)
		if err != nil {
			return Schedule{}, err
		}
		for _, r := range slices.Concat(supply.kinds, supply.instant) {
			for _, m := range r.modes {
				once = append(once, span{kind: r.kind, mode: m, to: hold})
			}
		}
	}
	var episodes []episode
	for range rounds {
		for _, f := range once {
			episodes = append(episodes, episode{calm: calm, faults: []span{f}, length: hold})
		}
	}
	s.Steps = steps(episodes, nodes, rng)
	s.Duration = time.Duration(len(episodes))*(hold+calm) + calm
	return s, nil
}
