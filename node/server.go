package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ordeal-dev/ordeal/node/clock"
	"github.com/ordeal-dev/ordeal/node/transport"
	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/node/wal"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Server runs a node as a process: it is the Host of its Driver.
type Server struct {
	options Options
	log     *slog.Logger
	clock   *clock.Clock // of all that the node decides by time

	*Engine

	turning sync.Mutex   // held by who is the driver's thread
	armed   atomic.Int64 // until when run's timer sleeps
	toFlush flushList    // connections of clients that have answers

	awaiting  atomic.Bool // requests are under way: what they wait for will arrive and bring a turn
	lingering atomic.Bool // a timer will look after the requests in the inbox

	mu      sync.Mutex // guards senders
	senders map[raft.NodeID]*runningSender
	spoken  []*runningSender // who was given messages in this turn; the driver's thread's
	sending context.Context  // of all senders; set by Run

	peers, clients, http net.Listener
	connections          sync.WaitGroup
}

// Open reads the node's stable storage and takes its ports. Nothing is served until Run.
func Open(o Options) (*Server, error) {
	if o.FS == nil {
		o.FS = vfs.OS
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	s := &Server{options: o, log: o.Log.With("node", o.ID), clock: clock.New(), senders: map[raft.NodeID]*runningSender{}}
	var err error
	if s.Engine, err = OpenEngine(o); err != nil {
		return nil, err
	}
	if err := errors.Join(s.makeDriver(), s.listen()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// explainData says which flags stand against a log that is not this node's.
func explainData(o Options, err error) error {
	var other *wal.IdentityError
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("--data %s: %w: name a folder, or one that can be made", o.Data, err)
	case !errors.As(err, &other):
		return fmt.Errorf("--data %s: %w", o.Data, err)
	case other.Cluster != clusterNumber(o.ClusterID):
		return fmt.Errorf("--data %s belongs to another cluster than --cluster-id %q: name the right one, or give this node a folder of its own: %w", o.Data, o.ClusterID, err)
	}
	return fmt.Errorf("--data %s belongs to node %d, and --id is %d: name the right one, or give this node a folder of its own: %w", o.Data, other.Node, o.ID, err)
}

func (s *Server) makeDriver() error {
	for _, note := range s.recovered.Notes {
		s.log.Warn("log recovered", "note", note)
	}
	if err := s.Start(s, s.now(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))); err != nil {
		return err
	}
	configuration, _ := s.driver.core.Configuration()
	if warning := configuration.EvenVotersWarning(); warning != "" {
		s.log.Warn("even number of voters", "why", warning)
	}
	s.log.Info("log read", "entries", len(s.recovered.Entries), "snapshot", s.newest.LastIncludedIndex, "term", s.recovered.HardState.Term, "vote", s.recovered.HardState.Vote)
	return nil
}

func (s *Server) listen() error {
	for _, l := range []struct {
		what, address string
		listener      *net.Listener
	}{
		{"--listen-peer", s.options.ListenPeer, &s.peers},
		{"--listen-client", s.options.ListenClient, &s.clients},
		{"--listen-http", s.options.ListenHTTP, &s.http},
	} {
		listener, err := net.Listen("tcp", l.address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s: %w: stop the process that has the port, or choose another", l.what, err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w: choose a HOST:PORT of this machine", l.what, err)
		}
		*l.listener = listener
	}
	return nil
}

// now is the node's monotonic time since the server started.
func (s *Server) now() time.Duration { return s.clock.Now() }

// errRemoved ends the node that is no member of its cluster any more.
var errRemoved = errors.New("removed from the cluster")

// Run serves until ctx ends or the node was removed from its cluster, and then returns nil, or until it has to stop. A leader
// hands leadership over first. Nothing runs any more when it returns.
func (s *Server) Run(ctx context.Context) error {
	s.log.Info("serving", "peers", s.peers.Addr().String(), "clients", s.clients.Addr().String(), "http", s.http.Addr().String(),
		"cluster", s.options.ClusterID, "version", s.options.Version, "lease", s.options.Lease(), "clock_drift", s.options.ClockDrift)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, inner := errgroup.WithContext(serving)
	s.startSenders(inner)
	s.inbox.arrived = s.arrived
	group.Go(func() error { return s.disk.run(inner) })
	group.Go(func() error { return s.snapshotter.run(inner) })
	group.Go(func() error { return s.drive(inner) })
	group.Go(func() error { return s.accept(inner, s.peers, wire.ForPeer) })
	group.Go(func() error { return s.accept(inner, s.clients, wire.ForClient) })
	group.Go(func() error { return s.serveHTTP(inner) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			s.handOver(inner)
			stop()
		case <-inner.Done():
		}
		return nil
	})
	err := group.Wait() // nil if only ctx ended
	s.stopSenders()
	s.connections.Wait()
	if errors.Is(err, errRemoved) {
		s.log.Info("this node is no member of the cluster any more, and stops by itself")
		err = nil
	}
	if closed := s.close(); err == nil {
		err = closed
	}
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

// handOver has a leader pass leadership on, and waits until another leads, at most two election timeouts.
func (s *Server) handOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.options.ElectionTimeout)
	defer cancel()
	asked := false
	for {
		leads := make(chan bool, 1)
		s.Do(func(d *Driver) {
			leads <- d.Status().Role == raft.Leader
			if !asked {
				asked = true
				_ = d.TransferLeadership(0) // nobody to pass it to: then not
			}
		})
		select {
		case <-ctx.Done():
			return
		case still := <-leads:
			if !still {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// accept takes connections and serves those that say a proper hello.
func (s *Server) accept(ctx context.Context, listener net.Listener, purpose wire.Purpose) error {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil { // out of file descriptors, for one: others will close
			s.log.Warn("accepting a connection failed", "error", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		s.connections.Go(func() { s.serve(ctx, conn, purpose) })
	}
}

const helloTimeout = 5 * time.Second

func (s *Server) serve(ctx context.Context, conn net.Conn, purpose wire.Purpose) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	h, err := s.greet(conn, purpose)
	if err == nil && purpose == wire.ForPeer {
		err = transport.Receive(conn, h, s.options.ID, s.inbox.putMessages)
	} else if err == nil {
		err = s.serveClient(ctx, conn)
	}
	if ctx.Err() == nil {
		s.log.Log(ctx, endLevel(err), "connection ended", "from", conn.RemoteAddr().String(), "reason", err)
	}
}

// endLevel is a warning for an end that the other side's bytes are to blame for.
func endLevel(err error) slog.Level {
	var failed net.Error
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &failed) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// greet exchanges hellos, and refuses those who are wrong here with the reason.
func (s *Server) greet(conn net.Conn, purpose wire.Purpose) (wire.Hello, error) {
	if err := conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return wire.Hello{}, err
	}
	h, err := wire.ReadHello(conn)
	if errors.Is(err, wire.ErrNoHello) {
		return h, err
	}
	reason := ""
	if err != nil {
		reason = err.Error() // of another version, say: it is told which this one is
	} else {
		reason = s.refusal(h, purpose)
	}
	if reason != "" {
		return h, errors.Join(wire.Refused{Reason: reason}, wire.WriteRefusal(conn, reason))
	}
	if err := wire.WriteHello(conn, wire.Hello{Purpose: purpose, ClusterID: s.options.ClusterID, From: s.options.ID, To: h.From}); err != nil {
		return h, err
	}
	return h, conn.SetDeadline(time.Time{})
}

func (s *Server) refusal(h wire.Hello, purpose wire.Purpose) string {
	switch {
	case h.Purpose != purpose:
		return "this is the port for the other kind of connection: clients and peers have one each"
	case h.ClusterID != s.options.ClusterID && (purpose == wire.ForPeer || h.ClusterID != ""):
		return fmt.Sprintf("this node belongs to cluster %q, not %q", s.options.ClusterID, h.ClusterID)
	case h.To != s.options.ID && (purpose == wire.ForPeer || h.To != 0):
		return fmt.Sprintf("this is node %d, not node %d", s.options.ID, h.To)
	case purpose == wire.ForPeer && (h.From == 0 || h.From == s.options.ID):
		return fmt.Sprintf("a peer cannot be node %d", h.From)
	}
	return ""
}

func (s *Server) close() error {
	for _, l := range []net.Listener{s.peers, s.clients, s.http} {
		if l != nil {
			l.Close() // may be closed already
		}
	}
	return s.Close()
}

// lastAnswers is how long the answers under way may take when the node stops: one may be the answer to its own removal.
const lastAnswers = 500 * time.Millisecond

// serveHTTP answers people and monitors until ctx ends.
func (s *Server) serveHTTP(ctx context.Context) error {
	server := &http.Server{Handler: s.httpHandler(), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswers)
		defer cancel()
		if server.Shutdown(ending) != nil {
			server.Close()
		}
	})
	err := server.Serve(s.http)
	if !stop() {
		<-ended
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
