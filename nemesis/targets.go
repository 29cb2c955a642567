package nemesis

// nodesParameter says whom a fault hurts, by a name of nodeSets.
const nodesParameter = "nodes"

// nodeSetNames are the sets of nodes that a fault can be of.
var nodeSetNames = []string{"leader", "one", "minority", "majority", "all"}

// nodeSets are their sizes; who leads is known in the run only.
var nodeSets = map[string]func(nodes int) int{
	"leader": nil, "one": func(int) int { return 1 }, "minority": minoritySize, "majority": majoritySize, "all": func(n int) int { return n },
}

// isNobody reports whether a set has none of so many nodes: less than half of two is nobody.
func isNobody(set string, nodes int) bool {
	size := nodeSets[set]
	return size != nil && size(nodes) == 0
}

// drawWeighted draws the name of a set of nodes, of those that somebody is in.
func drawWeighted(weights map[string]int, d draw) string {
	weight := func(name string) int {
		if isNobody(name, len(d.nodes)) {
			return 0
		}
		return weights[name]
	}
	total := 0
	for _, name := range nodeSetNames {
		total += weight(name)
	}
	at := d.rng.IntN(total)
	for _, name := range nodeSetNames {
		if at -= weight(name); at < 0 {
			return name
		}
	}
	panic("nemesis: a weight of a set of nodes that there is not")
}
