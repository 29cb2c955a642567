package node

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Options say what a server is and where it listens.
type Options struct {
	ID        raft.NodeID
	ClusterID string
	// Data is the folder of the node's log.
	Data string
	// ListenPeer, ListenClient and ListenHTTP are host:port; port 0 takes a free one.
	ListenPeer, ListenClient, ListenHTTP string
	// Peers are the peer addresses of all servers of the first configuration, this one included.
	Peers map[raft.NodeID]string

	Heartbeat       time.Duration
	ElectionTimeout time.Duration
	// ClockDrift bounds how far any server's clock may run fast or slow of true time, as a fraction of it: 0.1 is 10 %. Leases
	// are cut short by it; see Lease. 0: no bound is known, and there are no leases.
	ClockDrift float64
	// ClockFaults lets whoever reaches the HTTP port set this node's clock: for tests of what the node promises about time.
	ClockFaults bool
	PreVote     bool
	CheckQuorum bool

	// Join: this server is not of the first configuration, which Peers names without it; it waits to be added. One that was removed
	// and is to be added again waits too.
	Join bool
	// SnapshotEntries is after how many applied entries a snapshot is taken; 0: never.
	SnapshotEntries uint64
	// Sessions bounds the clients' sessions. It has to be the same on all servers, and over restarts.
	Sessions kv.Limits

	// SegmentSize of the log's files, ChunkBytes of a snapshot in one message, both in bytes; 0 for the usual.
	SegmentSize int64
	ChunkBytes  int
	FS          vfs.FS
	Log         *slog.Logger
	Version     string
}

// Check reports what is wrong with the options and how to mend it.
func (o *Options) Check() error {
	switch {
	case o.ID == 0:
		return errors.New("--id is missing: give each node of the cluster its own number, from 1 on")
	case o.ClusterID == "" || len(o.ClusterID) > wire.MaxClusterID:
		return fmt.Errorf("--cluster-id must have 1 to %d bytes and be the same on all nodes", wire.MaxClusterID)
	case o.Data == "":
		return errors.New("--data is missing: name a folder of this node's own")
	case o.Heartbeat < time.Millisecond:
		return fmt.Errorf("--heartbeat %v is too short: use 1ms or more", o.Heartbeat)
	case o.ElectionTimeout/2 < o.Heartbeat: // and not 2*: that may overflow
		return fmt.Errorf("--election-timeout %v must be at least twice --heartbeat %v", o.ElectionTimeout, o.Heartbeat)
	case !(o.ClockDrift >= 0 && o.ClockDrift < 1):
		return fmt.Errorf("--clock-drift %v: want a fraction from 0 (no leases) to below 1", o.ClockDrift)
	}
	if _, ok := o.Peers[o.ID]; !ok {
		return fmt.Errorf("--peer %d=HOST:PORT is missing: name all servers of the cluster, this one included", o.ID)
	}
	if err := o.checkPeers(); err != nil {
		return err
	}
	for _, l := range [][2]string{{"--listen-peer", o.ListenPeer}, {"--listen-client", o.ListenClient}, {"--listen-http", o.ListenHTTP}} {
		if _, _, err := net.SplitHostPort(l[1]); err != nil {
			return fmt.Errorf("%s %q: want HOST:PORT (%v)", l[0], l[1], err)
		}
	}
	return nil
}

func (o *Options) checkPeers() error {
	owner := map[string]raft.NodeID{}
	for _, id := range slices.Sorted(maps.Keys(o.Peers)) {
		address := o.Peers[id]
		if _, _, err := net.SplitHostPort(address); id == 0 || err != nil {
			return fmt.Errorf("--peer %d=%s: want ID=HOST:PORT with an id from 1 on", id, address)
		}
		if other, taken := owner[address]; taken {
			return fmt.Errorf("--peer: servers %d and %d have the same address %s: each needs its own", other, id, address)
		}
		owner[address] = id
	}
	return nil
}

func (o *Options) configuration() raft.Configuration {
	var c raft.Configuration
	for id := range o.Peers {
		if id != o.ID || !o.Join {
			c.Voters = append(c.Voters, id)
			c.Addresses = append(c.Addresses, raft.Address{ID: id, Peer: o.Peers[id]})
		}
	}
	slices.Sort(c.Voters)
	slices.SortFunc(c.Addresses, func(a, b raft.Address) int { return cmp.Compare(a.ID, b.ID) })
	return c
}

// Lease is how long after a confirmation of its leadership a leader serves lease reads without asking again (thesis 6.4.1);
// 0: never, it asks each time. The followers that confirmed have promised to vote for nobody for an election timeout by their
// clocks, which began later. By the fastest clock that the bound allows that is ElectionTimeout/(1+ClockDrift) of true time, and
// the slowest one shows it as (1-ClockDrift) of that. Without CheckQuorum nobody makes such a promise.
func (o *Options) Lease() time.Duration {
	if o.ClockDrift == 0 || !o.CheckQuorum {
		return 0
	}
	return time.Duration(float64(o.ElectionTimeout) * (1 - o.ClockDrift) / (1 + o.ClockDrift))
}

// clusterNumber is what the log's files know the cluster by.
func clusterNumber(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}
