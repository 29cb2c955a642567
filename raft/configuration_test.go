package raft

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawConfiguration(t *rapid.T) Configuration {
	set := func(label string, least int) []NodeID {
		ids := rapid.SliceOfNDistinct(rapid.Uint64Range(1, 12), least, 12, rapid.ID[uint64]).Draw(t, label)
		slices.Sort(ids)
		var set []NodeID
		for _, id := range ids {
			set = append(set, NodeID(id))
		}
		return set
	}
	c := Configuration{Voters: set("voters", 1), Outgoing: set("outgoing", 0)}
	c.Learners = slices.DeleteFunc(set("learners", 0), func(id NodeID) bool { return slices.Contains(c.Voters, id) })
	if len(c.Learners) == 0 {
		c.Learners = nil
	}
	return c
}

// What a quorum has reached is the greatest value that a quorum, by count, is at or above: of both halves while
// joint (paper section 6).
func TestR17_ReachedAgreesWithQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfiguration(t)
		values := rapid.SliceOfN(rapid.Uint64Range(0, 5), 13, 13).Draw(t, "values")
		want := uint64(0)
		for v := uint64(1); v <= 5; v++ {
			if c.quorum(func(id NodeID) bool { return values[id] >= v }) {
				want = v
			}
		}
		require.Equal(t, want, c.reached(func(id NodeID) uint64 { return values[id] }))
	})
}

// Two quorums always share a server; while joint, any quorum shares one with each quorum of either half (R17, R18).
func TestR18_QuorumsOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfiguration(t)
		in := rapid.SliceOfN(rapid.Bool(), 13, 13).Draw(t, "in")
		has := func(id NodeID) bool { return in[id] }
		hasNot := func(id NodeID) bool { return !in[id] }
		if c.quorum(has) {
			require.False(t, Configuration{Voters: c.Voters}.quorum(hasNot))
			require.False(t, len(c.Outgoing) > 0 && Configuration{Voters: c.Outgoing}.quorum(hasNot))
		}
	})
}

// An even number of voters gets a warning with the reason, an odd one none (R19).
func TestR19_EvenVoters(t *testing.T) {
	for n, want := range map[int]string{1: "", 3: "", 5: "",
		2: "2 voters survive the loss of 0, as 1 would, and an even number can split its votes in half: prefer 1 or 3",
		4: "4 voters survive the loss of 1, as 3 would, and an even number can split its votes in half: prefer 3 or 5"} {
		require.Equal(t, want, Configuration{Voters: make([]NodeID, n)}.EvenVotersWarning())
	}
}

func TestR17_ConfigurationEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfiguration(t)
		decoded, err := DecodeConfiguration(c.Encode())
		require.NoError(t, err)
		if len(c.Outgoing) == 0 {
			c.Outgoing = nil
		}
		require.Equal(t, c, decoded)
	})
}

// Any bytes are a configuration that can be used and written again, or an error.
func FuzzDecodeConfiguration(f *testing.F) {
	for _, c := range []Configuration{{Voters: []NodeID{1}}, {Voters: []NodeID{1, 2, 3}, Outgoing: []NodeID{1, 300}, Learners: []NodeID{4}}} {
		f.Add(c.Encode())
	}
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeConfiguration(b)
		if err != nil {
			return
		}
		require.NoError(t, c.validate())
		again, err := DecodeConfiguration(c.Encode())
		require.NoError(t, err)
		require.Equal(t, c, again)
		require.LessOrEqual(t, len(c.Encode()), len(b))
		require.True(t, c.quorum(func(NodeID) bool { return true }))
		require.False(t, c.quorum(func(NodeID) bool { return false }))
	})
}
