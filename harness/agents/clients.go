package agents

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
)

const (
	clientProbeMethod = "tcp connection to the published client port, ended by the node"
	clientProbeLimit  = 300 * time.Millisecond // for one that ought not to come through
	clientOpenLimit   = 5 * time.Second
)

// noClient is what a client probe says to the node: bytes that are no client's hello, so that the node ends the connection. That it does
// is the evidence that it was reached; the engine's own port proxy accepts whether the node is reached or not.
//
// The end of a line is for servers that read lines, those of HTTP among them.
var noClient = append(make([]byte, 252), "\r\n\r\n"...)

// ProbeClients connects to each node's client port as clients do, from the host.
func (n *Network) ProbeClients(ctx context.Context, nodes []string) ([]nemesis.Probe, error) {
	members, err := n.all()
	if err != nil {
		return nil, err
	}
	n.cuts.mu.Lock()
	deaf := n.cuts.now.deaf
	n.cuts.mu.Unlock()
	probes := make([]nemesis.Probe, len(nodes))
	var wait sync.WaitGroup
	for i, node := range nodes {
		probes[i] = nemesis.Probe{Link: nemesis.Link{From: nemesis.Clients, To: node}, Unit: "packets", Method: clientProbeMethod}
		m := members[node]
		switch {
		case m.Agent == nil:
			probes[i].Error = "there is no such node"
			continue
		case m.Down:
			probes[i].Error = "the node and its agent are down"
			continue
		}
		limit := clientOpenLimit
		if deaf[node] {
			limit = clientProbeLimit
		}
		wait.Go(func() {
			probes[i].Crossed, probes[i].Error = n.reachAsClient(ctx, m, limit)
			probes[i].Stopped = stoppedClients(ctx, m, n.options.ClientPort)
		})
	}
	wait.Wait()
	return probes, ctx.Err()
}

// reachAsClient tells whether the node was reached. A node whose process does not run cannot answer, which says nothing.
func (n *Network) reachAsClient(ctx context.Context, m Node, limit time.Duration) (bool, string) {
	if state, err := n.options.Process(ctx, m.Name); err == nil && (!state.Running || state.Paused) {
		return false, "its process does not run"
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", m.Client)
	if err != nil {
		return false, ""
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if _, err := conn.Write(noClient); err != nil {
		return true, "" // it was ended at once: somebody did
	}
	_, err = conn.Read(make([]byte, 1))
	timeout, ok := err.(net.Error)
	return !ok || !timeout.Timeout(), ""
}

// stoppedClients is how many packets for the client port the node's kernel has dropped since it was cut.
func stoppedClients(ctx context.Context, m Node, port uint16) uint64 {
	counts, err := m.Agent.Counters(ctx)
	if err != nil {
		return 0
	}
	var n uint64
	for _, count := range counts {
		if count.Direction == netfilter.In && count.Port == port {
			n += count.Packets
		}
	}
	return n
}
