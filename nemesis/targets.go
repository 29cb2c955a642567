package nemesis

import "math/rand/v2"

// nodesParameter says whom a fault hurts, by a name of nodeSets.
const nodesParameter = "nodes"

// nodeSetNames are the sets of nodes that a fault can be of.
var nodeSetNames = []string{"leader", "one", "minority", "majority", "all"}

// nodeSets are their sizes; who leads is known in the run only.
var nodeSets = map[string]func(nodes int) int{
	"leader": nil, "one": func(int) int { return 1 }, "minority": minoritySize, "majority": majoritySize, "all": func(n int) int { return n },
}

// drawWeighted draws the name of a set of nodes.
func drawWeighted(weights map[string]int, rng *rand.Rand) string {
	total := 0
	for _, w := range weights {
		total += w
	}
	at := rng.IntN(total)
	for _, name := range nodeSetNames {
		if at -= weights[name]; at < 0 {
			return name
		}
	}
	panic("nemesis: a weight of a set of nodes that there is not")
}
