package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// trio is three servers in this process, over real files and sockets.
type trio struct {
	options [3]Options
	running [3]*Server
	clients map[raft.NodeID]string
	ctx     context.Context
	group   sync.WaitGroup
}

func newTrio(b *testing.B, snapshotEntries uint64) *trio {
	ctx, stop := context.WithCancel(context.Background())
	t := &trio{clients: map[raft.NodeID]string{}, ctx: ctx}
	b.Cleanup(func() { stop(); t.group.Wait() })
	peers := map[raft.NodeID]string{}
	for id := raft.NodeID(1); id <= 3; id++ {
		peers[id], t.clients[id] = unused(b), unused(b)
	}
	for i := range t.options {
		id := raft.NodeID(i + 1)
		t.options[i] = Options{ID: id, ClusterID: "growth", Data: b.TempDir(), ListenPeer: peers[id], ListenClient: t.clients[id], ListenHTTP: "127.0.0.1:0",
			Peers: peers, Heartbeat: 50 * time.Millisecond, ElectionTimeout: 2 * time.Second, PreVote: true, CheckQuorum: true,
			SnapshotEntries: snapshotEntries, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	}
	return t
}

func unused(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	return l.Addr().String()
}

func (t *trio) start(b *testing.B, i int) {
	s, err := Open(t.options[i])
	require.NoError(b, err)
	t.running[i] = s
	t.group.Go(func() { s.Run(t.ctx) })
}

// fill puts so many keys with values of so many bytes, from many clients at once.
func (t *trio) fill(b *testing.B, puts, value int) {
	c, err := client.New(client.Options{Nodes: t.clients, ClusterID: "growth"})
	require.NoError(b, err)
	defer c.Close()
	put := func(i int) error {
		_, err := c.Do(t.ctx, kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: fmt.Sprintf("%016d", i), Value: make([]byte, value)}}}, wire.ReadIndex)
		return err
	}
	for put(0) != nil { // until there is a leader, and a connection
		time.Sleep(10 * time.Millisecond)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range 256 {
		group.Go(func() {
			for i := int(next.Add(1)); i < puts; i = int(next.Add(1)) {
				if err := put(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// applied is how far a server has come, and from where its log goes on.
func (t *trio) applied(i int) (applied, snapshot uint64) {
	answer := make(chan Status, 1)
	t.running[i].Do(func(d *Driver) { answer <- d.Status() })
	s := <-answer
	return s.Applied, s.Snapshot
}

// catchUp starts the third server and waits until it has all that the others have.
func (t *trio) catchUp(b *testing.B) (took time.Duration) {
	first, _ := t.applied(0)
	second, _ := t.applied(1)
	target := max(first, second)
	began := time.Now()
	t.start(b, 2)
	for {
		if got, _ := t.applied(2); got >= target {
			return time.Since(began)
		}
		time.Sleep(time.Millisecond)
	}
}

// How long a server that was down takes to catch up with so many entries of 300 bytes, and with a snapshot of so many bytes. All three run
// in this process. MB are 10^6 bytes.
func BenchmarkGrowthCatchUp(b *testing.B) {
	const value = 256
	for _, entries := range []int{10_000, 100_000, 300_000} {
		b.Run(fmt.Sprint("Entries", entries), func(b *testing.B) {
			for b.Loop() {
				t := newTrio(b, 0)
				t.start(b, 0)
				t.start(b, 1)
				t.fill(b, entries, value)
				t.report(b, float64(entries), float64(entries*(value+16)))
				_, snapshot := t.applied(2)
				require.Zero(b, snapshot, "it was sent entries")
			}
		})
	}
	for _, mb := range []int{16, 64, 256} {
		b.Run(fmt.Sprint("Snapshot", mb, "MiB"), func(b *testing.B) {
			const value = 4 << 10
			entries := mb << 20 / (value + 16)
			for b.Loop() {
				t := newTrio(b, 100)
				t.start(b, 0)
				t.start(b, 1)
				t.fill(b, entries, value)
				t.snapshot(b)
				t.report(b, float64(entries), float64(mb<<20))
				_, snapshot := t.applied(2)
				require.NotZero(b, snapshot, "it was sent a snapshot")
			}
		})
	}
}

func (t *trio) report(b *testing.B, entries, bytes float64) {
	before := used()
	took := t.catchUp(b).Seconds()
	b.ReportMetric(took, "catch-up-s")
	b.ReportMetric((used() - before).Seconds(), "catch-up-cpu-s")
	b.ReportMetric(entries/took, "entries/s")
	b.ReportMetric(bytes/1e6/took, "MB/s")
}

// snapshot has the two servers that run save all they hold and let go of the log before it.
func (t *trio) snapshot(b *testing.B) {
	for i := range 2 {
		covered := func() bool {
			applied, snapshot := t.applied(i)
			return snapshot == applied
		}
		for !covered() {
			t.running[i].Do(func(d *Driver) { _ = d.TakeSnapshotNow() }) // one may be under way, and then the next covers the rest
			time.Sleep(5 * time.Millisecond)
		}
	}
}
