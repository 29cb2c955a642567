package node

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/raft"
)

func (s *Server) sendsTo() map[raft.NodeID]string {
	to := map[raft.NodeID]string{}
	for id, sender := range s.senders {
		to[id] = sender.address
	}
	return to
}

// A node goes by its own --peer flags, and by the configuration for servers that those do not name.
func TestFlagsSayWhereAServerIs(t *testing.T) {
	s := &Server{options: Options{ID: 1, Peers: map[raft.NodeID]string{1: "a:1", 2: "a:2"}}, senders: map[raft.NodeID]*runningSender{},
		log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	s.Reconfigured(raft.Configuration{Voters: []raft.NodeID{1, 2, 3}, Addresses: []raft.Address{{ID: 1, Peer: "b:1"}, {ID: 2, Peer: "b:2"}, {ID: 3, Peer: "b:3"}}})
	require.Equal(t, map[raft.NodeID]string{2: "a:2", 3: "b:3"}, s.sendsTo())

	second, third := s.senders[2], s.senders[3]
	moved := raft.Configuration{Voters: []raft.NodeID{1, 2, 3}, Addresses: []raft.Address{{ID: 2, Peer: "c:2"}, {ID: 3, Peer: "c:3"}}}
	s.Reconfigured(moved)
	require.Equal(t, map[raft.NodeID]string{2: "a:2", 3: "c:3"}, s.sendsTo())
	require.Same(t, second, s.senders[2], "what has not moved goes on")
	require.NotSame(t, third, s.senders[3])

	require.Equal(t, map[raft.NodeID]string{1: "a:1", 2: "a:2", 3: "c:3"}, s.addresses(moved))
	require.Equal(t, map[raft.NodeID]string{1: "a:1", 2: "a:2"}, s.addresses(raft.Configuration{}), "also of servers that are out")
}
