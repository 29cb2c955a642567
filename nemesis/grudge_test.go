package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func nodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i+1)
	}
	return names
}

// reach tells for a grudge who still hears whom.
type reach struct {
	nodes []string
	cut   map[Link]bool
}

func drawReach(t *rapid.T, least int, grudge func([]string, *rand.Rand) Grudge) reach {
	nodes := nodeNames(rapid.IntRange(least, 11).Draw(t, "nodes"))
	g := grudge(nodes, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
	r := reach{nodes: nodes, cut: map[Link]bool{}}
	for _, l := range g.Links {
		require.NotEqual(t, l.From, l.To)
		require.Contains(t, nodes, l.From)
		require.Contains(t, nodes, l.To)
		require.False(t, r.cut[l], "%v twice", l)
		r.cut[l] = true
	}
	require.NotEmpty(t, g.Links)
	require.NotEmpty(t, g.Text)
	return r
}

// both lists the nodes that a node exchanges messages with in both directions, itself among them.
func (r reach) both(node string) []string {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(other string) bool {
		return r.cut[Link{node, other}] || r.cut[Link{other, node}]
	})
}

func (r reach) symmetric(t *rapid.T) {
	for l := range r.cut {
		require.True(t, r.cut[Link{l.To, l.From}], "%v is cut in one direction only", l)
	}
}

// sizes counts the nodes by how many they exchange messages with.
func (r reach) sizes() map[int]int {
	sizes := map[int]int{}
	for _, node := range r.nodes {
		sizes[len(r.both(node))]++
	}
	return sizes
}

func TestMajorityGrudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawReach(t, 3, MajorityGrudge)
		r.symmetric(t)
		n := len(r.nodes)
		minority := (n - 1) / 2
		require.Equal(t, map[int]int{minority: minority, n - minority: n - minority}, r.sizes())
		require.Greater(t, n-minority, n/2)
	})
}

func TestHalvesGrudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawReach(t, 2, HalvesGrudge)
		r.symmetric(t)
		n := len(r.nodes)
		for size, count := range r.sizes() {
			require.Contains(t, []int{n / 2, n - n/2}, size)
			require.Zero(t, count%size)
		}
	})
}

func TestOneGrudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawReach(t, 3, OneGrudge)
		r.symmetric(t)
		require.Equal(t, map[int]int{1: 1, len(r.nodes) - 1: len(r.nodes) - 1}, r.sizes())
	})
}

// Exactly one node sees both halves, and the halves do not see each other.
func TestBridgeGrudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawReach(t, 3, BridgeGrudge)
		r.symmetric(t)
		n := len(r.nodes)
		bridges := slices.DeleteFunc(slices.Clone(r.nodes), func(node string) bool { return len(r.both(node)) < n })
		require.Len(t, bridges, 1)
		half := (n - 1) / 2
		for _, node := range r.nodes {
			if node == bridges[0] {
				continue
			}
			seen := r.both(node)
			require.Contains(t, seen, bridges[0])
			require.Contains(t, []int{half + 1, n - half}, len(seen), "its half and the bridge")
		}
	})
}

// One side hears the other and is not heard.
func TestOneWayGrudge(t *testing.T) {
	fromMinority := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		r := drawReach(t, 3, OneWayGrudge)
		mute, deaf := map[string]bool{}, map[string]bool{}
		for l := range r.cut {
			require.False(t, r.cut[Link{l.To, l.From}], "%v is cut in both directions", l)
			mute[l.From], deaf[l.To] = true, true
		}
		require.Len(t, r.cut, len(mute)*len(deaf))
		require.Equal(t, len(r.nodes), len(mute)+len(deaf))
		require.Equal(t, (len(r.nodes)-1)/2, min(len(mute), len(deaf)))
		fromMinority[len(mute) < len(deaf)]++
	})
	require.Len(t, fromMinority, 2, "both sides get to be the one that is not heard")
}

func TestGrudgeTexts(t *testing.T) {
	rng := func() *rand.Rand { return rand.New(rand.NewPCG(7, 0)) }
	nodes := nodeNames(5)
	for want, g := range map[string]Grudge{
		"n1 | n2 n3 n4 n5":         Isolate(nodes, "n1"),
		"n1 n2 | n4 n5":            Split([]string{"n1", "n2"}, []string{"n4", "n5"}),
		"n3 n5 | n1 n2 n4":         MajorityGrudge(nodes, rng()),
		"n1 n2 | n4 n5, bridge n3": BridgeGrudge(nodes, rng()),
		"n3 n5 -x-> n1 n2 n4":      OneWayGrudge(nodes, rng()),
	} {
		require.Equal(t, want, g.Text)
	}
	require.Equal(t, []Link{{"n1", "n2"}, {"n1", "n3"}, {"n2", "n1"}, {"n3", "n1"}}, Isolate(nodeNames(3), "n1").Links)
}

// The leader's side is a minority, the other a majority, and each is whole.
func TestMinorityGrudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var leader string
		r := drawReach(t, 5, func(nodes []string, rng *rand.Rand) Grudge {
			leader = nodes[rng.IntN(len(nodes))]
			return MinorityGrudge(nodes, leader)
		})
		r.symmetric(t)
		for _, node := range r.nodes {
			side := r.both(node)
			if slices.Contains(side, leader) {
				require.Len(t, side, (len(r.nodes)-1)/2)
			} else {
				require.Greater(t, len(side), len(r.nodes)/2)
			}
		}
	})
}

// Every node exchanges messages with a majority, itself among it, and no two with the same one.
func TestRingGrudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawReach(t, 4, RingGrudge)
		r.symmetric(t)
		seen := map[string]bool{}
		for _, node := range r.nodes {
			near := r.both(node)
			require.Greater(t, len(near), len(r.nodes)/2)
			require.Less(t, len(near), len(r.nodes))
			seen[fmt.Sprint(near)] = true
		}
		require.Len(t, seen, len(r.nodes))
	})
}
