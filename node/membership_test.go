package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// changing is node 1, which leads 1, 2 and 3 and is asked to add server 4.
type changing struct {
	*scripted
	t       *testing.T
	answers []error // to who asked for the change
}

func newChanging(t *testing.T) *changing {
	c := &changing{scripted: newScripted(t, 1, 2, 3), t: t}
	c.lead(t)
	c.now = time.Second
	return c
}

func (c *changing) ask(voters ...raft.NodeID) {
	c.driver.ChangeMembers(raft.Configuration{Voters: voters}, func(err error) { c.answers = append(c.answers, err) })
	c.driver.Flush()
}

// put has a client write n entries.
func (c *changing) put(n int) {
	for range n {
		c.driver.Handle(request(c, 1, wire.ReadIndex, kv.Op{Kind: kv.Put, Key: "k"}))
	}
	c.driver.Flush()
}

// acknowledge has servers answer that they have all but the last lag entries, and this node's own disk that it has them all.
func (c *changing) acknowledge(lag uint64, ids ...raft.NodeID) {
	c.driver.Written(1 << 60)
	for _, id := range ids {
		c.driver.Receive(raft.Message{Kind: raft.AppendEntriesReply, From: id, To: 1, Term: 1, MatchIndex: c.driver.Status().LastIndex - lag, Round: c.round})
	}
	c.driver.Flush()
}

func (c *changing) pass(d time.Duration) {
	c.now += d
	c.driver.Tick(c.now)
	c.driver.Flush()
}

func (c *changing) members(voters, outgoing, learners []raft.NodeID) {
	c.t.Helper()
	in := c.driver.Status().Configuration
	require.Equal(c.t, [][]raft.NodeID{voters, outgoing, learners}, [][]raft.NodeID{in.Voters, in.Outgoing, in.Learners})
}

type ids = []raft.NodeID

// A new server is a learner until it has answered and lacks little. Only then do the voters change, by joint consensus, and the
// one who asked is answered when C-new is committed (R17).
func TestR17LearnersCatchUpFirst(t *testing.T) {
	c := newChanging(t)
	c.put(3 * catchUpLag)
	c.acknowledge(0, 2, 3)
	c.pass(time.Millisecond)
	c.ask(1, 2, 3, 4)
	c.members(ids{1, 2, 3}, nil, ids{4})
	c.acknowledge(0, 2, 3)
	c.did.Reset()
	c.pass(20 * time.Millisecond)
	require.Contains(t, c.did.String(), "send AppendEntries to 4", "it is sent the log as the others are")
	c.members(ids{1, 2, 3}, nil, ids{4}) // nothing was heard of 4
	c.acknowledge(catchUpLag+1, 4)
	c.members(ids{1, 2, 3}, nil, ids{4}) // it lacks too much
	c.put(1)
	c.acknowledge(catchUpLag+1, 4)
	c.members(ids{1, 2, 3}, nil, ids{4})
	c.acknowledge(catchUpLag, 4)
	c.members(ids{1, 2, 3, 4}, ids{1, 2, 3}, nil)
	require.Empty(t, c.answers)

	c.acknowledge(0, 2) // C-old,new has both majorities only with 4
	c.members(ids{1, 2, 3, 4}, ids{1, 2, 3}, nil)
	c.acknowledge(0, 4)
	c.members(ids{1, 2, 3, 4}, nil, nil)
	require.Empty(t, c.answers, "C-new is not committed")
	c.acknowledge(0, 2, 4)
	require.Equal(t, []error{nil}, c.answers)
}

// What a learner answered before it was asked for says nothing of it now: it may be down (R17).
func TestR17LearnersAnswerAnew(t *testing.T) {
	c := newChanging(t)
	c.ask(1, 2, 3, 4)
	c.acknowledge(0, 2, 3)
	c.pass(catchUpTimeout / 2)
	c.acknowledge(0, 2, 3)
	c.pass(catchUpTimeout/2 + time.Millisecond)
	require.Len(t, c.answers, 1)
	require.ErrorContains(t, c.answers[0], "the new servers [4] did not catch up within 30s and stay learners: see that they run with --join")
	c.members(ids{1, 2, 3}, nil, ids{4})

	c.acknowledge(0, 2, 3, 4) // up, and down from now on
	c.pass(time.Millisecond)
	c.ask(1, 2, 3, 4)
	c.acknowledge(0, 2, 3)
	c.pass(time.Millisecond)
	c.members(ids{1, 2, 3}, nil, ids{4})
	c.acknowledge(0, 4)
	c.members(ids{1, 2, 3, 4}, ids{1, 2, 3}, nil)
}

// One change at a time; and who loses leadership does not know what becomes of it (R17).
func TestR17ChangesThatDoNotEndHere(t *testing.T) {
	c := newChanging(t)
	c.ask(1, 2, 3, 4)
	c.ask(1, 2)
	require.Equal(t, []error{raft.ErrChangeInProgress}, c.answers)
	c.driver.Receive(raft.Message{Kind: raft.AppendEntries, From: 2, To: 1, Term: 2})
	c.driver.Flush()
	require.Equal(t, []error{raft.ErrChangeInProgress, ErrUnknownChange}, c.answers)
	c.ask(1, 2)
	require.Equal(t, raft.ErrNotLeader{Leader: 2}, c.answers[2])
}
