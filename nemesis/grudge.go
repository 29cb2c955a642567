package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Grudge is what a partition does: the links it cuts, in order, and how to say it.
type Grudge struct {
	Links []Link
	Text  string // for people: "n1 n2 | n3 n4 n5"
}

// Split cuts every link between the two sides, in both directions.
func Split(a, b []string) Grudge {
	return Grudge{Links: sortLinks(append(between(a, b), between(b, a)...)), Text: words(a) + " | " + words(b)}
}

// Isolate cuts the node off from all others.
func Isolate(nodes []string, node string) Grudge {
	return Split([]string{node}, slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == node }))
}

// MajorityGrudge splits the nodes at random into the largest minority and the rest. It needs three nodes.
func MajorityGrudge(nodes []string, rng *rand.Rand) Grudge {
	minority, majority := divide(nodes, (len(nodes)-1)/2, rng)
	return Split(minority, majority)
}

// HalvesGrudge splits the nodes at random in the middle. With an odd number it is MajorityGrudge; with an even one neither side
// has a majority. It needs two nodes.
func HalvesGrudge(nodes []string, rng *rand.Rand) Grudge {
	return Split(divide(nodes, len(nodes)/2, rng))
}

// OneGrudge leaves one random node alone. It needs two nodes.
func OneGrudge(nodes []string, rng *rand.Rand) Grudge {
	return Isolate(nodes, nodes[rng.IntN(len(nodes))])
}

// BridgeGrudge splits the nodes at random in two, and leaves one node, the bridge, with both. It needs three nodes.
func BridgeGrudge(nodes []string, rng *rand.Rand) Grudge {
	bridge, rest := divide(nodes, 1, rng)
	a, b := divide(rest, len(rest)/2, rng)
	g := Split(a, b)
	g.Text += ", bridge " + words(bridge)
	return g
}

// OneWayGrudge splits the nodes at random into the largest minority and the rest, and loses what one of the two sides,
// drawn at random, sends to the other. The other direction stays open. It needs three nodes.
func OneWayGrudge(nodes []string, rng *rand.Rand) Grudge {
	deaf, mute := divide(nodes, (len(nodes)-1)/2, rng)
	if rng.IntN(2) == 0 {
		deaf, mute = mute, deaf
	}
	return Grudge{Links: sortLinks(between(mute, deaf)), Text: words(mute) + " -x-> " + words(deaf)}
}

// RingGrudge lays the nodes at random on a ring where each reaches just so many neighbours to either side that they make a majority
// with it, and no two the same one. It needs four nodes.
func RingGrudge(nodes []string, rng *rand.Rand) Grudge {
	ring := slices.Clone(nodes)
	rng.Shuffle(len(ring), func(i, j int) { ring[i], ring[j] = ring[j], ring[i] })
	reach := (len(ring)/2 + 1) / 2
	var links []Link
	for i, from := range ring {
		for j, to := range ring {
			if apart := max(i-j, j-i); min(apart, len(ring)-apart) > reach {
				links = append(links, Link{From: from, To: to})
			}
		}
	}
	return Grudge{Links: sortLinks(links), Text: fmt.Sprintf("ring %s, each reaches %d to either side", words(ring), reach)}
}

// divide draws n of the nodes. Both parts keep the nodes' order.
func divide(nodes []string, n int, rng *rand.Rand) (drawn, rest []string) {
	in := make([]bool, len(nodes))
	for _, i := range rng.Perm(len(nodes))[:n] {
		in[i] = true
	}
	for i, node := range nodes {
		if in[i] {
			drawn = append(drawn, node)
		} else {
			rest = append(rest, node)
		}
	}
	return drawn, rest
}

// between lists the links from one side to the other.
func between(from, to []string) []Link {
	links := make([]Link, 0, len(from)*len(to))
	for _, f := range from {
		for _, t := range to {
			links = append(links, Link{From: f, To: t})
		}
	}
	return links
}

// allLinks lists the links between all nodes.
func allLinks(nodes []string) []Link {
	return slices.DeleteFunc(between(nodes, nodes), func(l Link) bool { return l.From == l.To })
}

func sortLinks(links []Link) []Link {
	slices.SortFunc(links, func(a, b Link) int {
		if c := strings.Compare(a.From, b.From); c != 0 {
			return c
		}
		return strings.Compare(a.To, b.To)
	})
	return slices.Compact(links)
}

func words(nodes []string) string { return strings.Join(nodes, " ") }

// MinorityGrudge cuts a node, and those that follow it in the list, as many as make a minority, from the majority. What
// the node can still get a minority to agree to must never count.
func MinorityGrudge(nodes []string, node string) Grudge {
	at := slices.Index(nodes, node)
	turned := slices.Concat(nodes[at:], nodes[:at])
	n := minoritySize(len(nodes))
	return Split(turned[:n], turned[n:])
}
