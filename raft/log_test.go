package raft

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// entriesOfTerms is a log whose entry i+1 has term terms[i].
func entriesOfTerms(terms ...uint64) []Entry {
	var es []Entry
	for i, term := range terms {
		es = append(es, Entry{Term: term, Index: uint64(i) + 1})
	}
	return es
}

// A write that finishes after its entries were replaced in memory says nothing about those that replaced them, also
// when these have not even been given out (R12).
func TestR12_DurableIndexAfterTruncation(t *testing.T) {
	var l raftLog
	l.append(entriesOfTerms(1, 1, 1, 1, 1)...)
	l.giveOut(1)
	l.truncate(3)
	l.append(Entry{Term: 2, Index: 3}, Entry{Term: 2, Index: 4}, Entry{Term: 2, Index: 5})
	l.persisted(1)
	require.EqualValues(t, 2, l.durable, "the disk holds entries 3 to 5 of term 1, not of term 2")
	l.giveOut(2)
	require.EqualValues(t, 2, l.durable)
	l.persisted(2)
	require.EqualValues(t, 5, l.durable)
}

// Whatever is appended, replaced, written and finished in whatever order: what the log holds to be durable is
// what a disk holds, and when all writes are done that is everything (R12).
func TestR12_DurableIndexMatchesADisk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l raftLog
		var d disk
		var queue []diskWrite
		term := uint64(1)
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { l.append(Entry{Term: term, Index: l.lastIndex() + 1}) },
			"replace": func(t *rapid.T) {
				from := rapid.Uint64Range(1, l.lastIndex()+1).Draw(t, "from")
				term++
				if from <= l.lastIndex() {
					l.truncate(from)
				}
				l.append(Entry{Term: term, Index: from})
			},
			"give out": func(t *rapid.T) {
				n := uint64(1)
				if len(queue) > 0 {
					n = queue[len(queue)-1].number + 1
				}
				queue = append(queue, diskWrite{number: n, entries: l.giveOut(n)})
			},
			"finish": func(t *rapid.T) {
				n := rapid.IntRange(0, len(queue)).Draw(t, "writes")
				for _, w := range queue[:n] {
					d.write(w)
				}
				if n > 0 {
					l.persisted(queue[n-1].number)
					queue = queue[n:]
				}
			},
			"": func(t *rapid.T) {
				for i := uint64(1); i <= l.durable; i++ {
					require.True(t, d.holds(i, l.term(i)), "entry %d of term %d", i, l.term(i))
				}
				if len(queue) == 0 && l.written == l.lastIndex() {
					require.Equal(t, l.lastIndex(), l.durable)
				}
			},
		})
	})
}

// The conflict hint of a follower and its use by a leader find a place where both logs agree, never above where they
// differ, in at most one round trip per term of the leader or the follower (R9).
func TestR9_HintsFindTheAgreement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		common := ascending(t, "common", 1, 6)
		leader := ascending(t, "leader", lastOf(common), 12)
		// A log's entry (index, term) fixes all before it: the terms of the two branches must differ at the fork.
		follower := ascending(t, "follower", lastOf(common), 12)
		for len(follower) > 0 && len(leader) > 0 && follower[0] == leader[0] {
			follower = follower[1:]
		}
		var leaders, followers raftLog
		leaders.append(entriesOfTerms(append(append([]uint64{}, common...), leader...)...)...)
		followers.append(entriesOfTerms(append(append([]uint64{}, common...), follower...)...)...)
		agree := uint64(len(common))

		prev := leaders.lastIndex()
		terms := map[uint64]bool{}
		for trips := 0; !followers.has(prev) || followers.term(prev) != leaders.term(prev); trips++ {
			terms[leaders.term(prev)] = true
			hint := followers.lastWithTermAtMost(prev, leaders.term(prev))
			next := leaders.lastWithTermAtMost(hint, followers.term(hint))
			require.Less(t, next, prev, "no step back")
			require.GreaterOrEqual(t, next, agree, "passed the agreement")
			prev = next
			require.LessOrEqual(t, trips, 12)
			require.Len(t, terms, trips+1, "two round trips within one term of the leader")
		}
	})
}

func ascending(t *rapid.T, label string, from uint64, most int) []uint64 {
	terms := rapid.SliceOfN(rapid.Uint64Range(0, 2), 0, most).Draw(t, label)
	for i := range terms {
		from += terms[i]
		terms[i] = from
	}
	return terms
}

func lastOf(terms []uint64) uint64 {
	if len(terms) == 0 {
		return 1
	}
	return terms[len(terms)-1]
}

// A late or repeated request neither shortens a log nor changes it; a conflicting one replaces the suffix only (R9).
func TestR9_StoreRemovesOnlyAConflictingSuffix(t *testing.T) {
	for _, test := range []struct {
		name      string
		log, sent []uint64
		from      int // index of the first entry sent
		want      []uint64
	}{
		{"repeated", []uint64{1, 1, 2}, []uint64{1, 1}, 1, []uint64{1, 1, 2}},
		{"late, in the middle", []uint64{1, 1, 2, 2}, []uint64{1}, 2, []uint64{1, 1, 2, 2}},
		{"new", []uint64{1}, []uint64{1, 2}, 2, []uint64{1, 1, 2}},
		{"overlapping", []uint64{1, 1}, []uint64{1, 2}, 2, []uint64{1, 1, 2}},
		{"conflict at once", []uint64{1, 1, 1}, []uint64{2}, 2, []uint64{1, 2}},
		{"conflict, of an older term", []uint64{1, 3, 3, 3}, []uint64{2}, 2, []uint64{1, 2}},
		{"conflict later", []uint64{1, 1, 1, 1}, []uint64{1, 2}, 2, []uint64{1, 1, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &Core{}
			c.log.append(entriesOfTerms(test.log...)...)
			c.configurations = []configurationAt{{}}
			var sent []Entry
			for i, term := range test.sent {
				sent = append(sent, Entry{Term: term, Index: uint64(test.from + i)})
			}
			c.store(sent)
			require.Equal(t, entriesOfTerms(test.want...), c.log.entries)
		})
	}
}

// Votes go to logs that are at least as new: the later last term first, then the longer log (R11).
func TestR11_UpToDate(t *testing.T) {
	var l raftLog
	l.append(entriesOfTerms(1, 2, 2)...)
	for _, test := range []struct {
		index, term uint64
		want        bool
	}{{3, 2, true}, {4, 2, true}, {2, 2, false}, {1, 3, true}, {9, 1, false}, {0, 0, false}} {
		require.Equal(t, test.want, l.upToDate(test.index, test.term), "(%d, %d)", test.index, test.term)
	}
}
