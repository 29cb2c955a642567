package node

import (
	"context"
	"maps"

	"github.com/ordeal-dev/ordeal/node/transport"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// runningSender is a sender with where it sends to and how it is stopped.
type runningSender struct {
	*transport.Sender
	address string
	stop    context.CancelFunc
	done    chan struct{}
}

// Reconfigured is for the driver: there is a sender for every member. Those of servers that are members no more stay: they
// are told that they are out, and a sender without messages does nothing. Where a server is reached is this node's to say,
// if its flags name it: not all see it at the address in the configuration.
func (s *Server) Reconfigured(c raft.Configuration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range c.Addresses {
		if a.ID == s.options.ID {
			continue
		}
		if own, ok := s.options.Peers[a.ID]; ok {
			a.Peer = own
		}
		if old := s.senders[a.ID]; old != nil && old.address == a.Peer {
			continue
		} else if old != nil && old.stop != nil {
			old.stop()
		}
		hello := wire.Hello{Purpose: wire.ForPeer, ClusterID: s.options.ClusterID, From: s.options.ID, To: a.ID}
		sender := &runningSender{Sender: transport.NewSender(a.Peer, hello, s.log), address: a.Peer}
		s.senders[a.ID] = sender
		if s.sending != nil {
			s.start(sender)
		}
	}
}

// addresses are where this node looks for the servers that it knows of, members or not.
func (s *Server) addresses(c raft.Configuration) map[raft.NodeID]string {
	all := map[raft.NodeID]string{}
	for _, a := range c.Addresses {
		all[a.ID] = a.Peer
	}
	maps.Copy(all, s.options.Peers)
	return all
}

// start makes a sender run. s.mu is held.
func (s *Server) start(sender *runningSender) {
	ctx, stop := context.WithCancel(s.sending)
	sender.stop, sender.done = stop, make(chan struct{})
	go func() {
		defer close(sender.done)
		sender.Run(ctx)
	}()
}

func (s *Server) startSenders(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = ctx
	for _, sender := range s.senders {
		s.start(sender)
	}
}

// stopSenders waits until none runs.
func (s *Server) stopSenders() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sender := range s.senders {
		if sender.stop != nil {
			sender.stop()
			<-sender.done
		}
	}
}
