package nemesis

import (
	"math/rand/v2"
	"slices"
	"time"
)

// stageMark stands between the stages of a sequence.
const stageMark = ">"

// stages groups the specs of a sequence. nil: they are not one.
func stages(specs []Spec) [][]Spec {
	var groups [][]Spec
	for _, s := range specs {
		if s.Stage == 0 {
			return nil
		}
		for len(groups) < s.Stage {
			groups = append(groups, nil)
		}
		groups[s.Stage-1] = append(groups[s.Stage-1], s)
	}
	return slices.DeleteFunc(groups, func(g []Spec) bool { return len(g) == 0 })
}

// drawSequence draws one episode a stage, with all faults of the stage, round after round as far as the duration has room, once at least.
func drawSequence(groups [][]Spec, nodes int, duration time.Duration, rng *rand.Rand) ([]episode, error) {
	supplies := make([]*supply, len(groups))
	var together float64 // faults of an episode on average
	for i, g := range groups {
		s, err := newSupply(g, nodes, rng)
		if err != nil {
			return nil, err
		}
		if len(s.kinds) == 0 {
			s.kinds, s.instant = s.instant, nil
		}
		s.always = true
		supplies[i] = s
		together += float64(len(s.kinds)) / float64(len(groups))
	}
	count := max(len(groups), int(float64(roomOf(duration))/meanEpisode(duration, together)))
	episodes := make([]episode, count)
	for i := range episodes {
		s := supplies[i%len(groups)]
		episodes[i] = drawEpisode(s, len(s.kinds), len(s.kinds), rng)
	}
	fill(episodes, duration)
	return episodes, nil
}
