package node

import (
	"context"

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
// are told that they are out, and a sender without messages does nothing.
func (s *Server) Reconfigured(c raft.Configuration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range c.Addresses {
		if a.ID == s.options.ID {
			continue
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
