package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// cluster is real processes on this machine.
type cluster struct {
	t     *testing.T
	nodes map[raft.NodeID]*process
	size  int
}

type process struct {
	cluster            *cluster
	id                 raft.NodeID
	data               string
	peer, client, http string
	extra              []string

	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	log    log           // of all its lives
}

// log gathers what a process writes.
type log struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startCluster starts size nodes, each with these flags too, and waits until they serve.
func startCluster(t *testing.T, size int, flags ...string) *cluster {
	c := newCluster(t, size, flags...)
	for _, p := range c.nodes {
		p.start()
	}
	return c
}

// newCluster is a cluster whose nodes are not started yet.
func newCluster(t *testing.T, size int, flags ...string) *cluster {
	c := &cluster{t: t, nodes: map[raft.NodeID]*process{}, size: size}
	for id := raft.NodeID(1); id <= raft.NodeID(size); id++ {
		c.nodes[id] = &process{cluster: c, id: id, data: t.TempDir(), peer: freeAddress(), client: freeAddress(), http: freeAddress(), extra: flags}
	}
	t.Cleanup(c.end)
	return c
}

func (c *cluster) end() {
	for _, p := range c.nodes {
		p.kill()
		if c.t.Failed() {
			c.t.Logf("log of node %d:\n%s", p.id, p.log.String())
		}
	}
}

// start starts the process and waits until it answers. Should somebody else have taken one of its ports, it tries on
// until he is gone.
func (p *process) start() {
	t := p.cluster.t
	for {
		p.run("mine")
		for p.alive() {
			if _, ok := p.status(); ok {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		require.Contains(t, p.log.String(), "address already in use", "node %d does not start", p.id)
		time.Sleep(50 * time.Millisecond)
	}
}

func (p *process) run(clusterID string) {
	args := []string{"--id", fmt.Sprint(p.id), "--cluster-id", clusterID, "--data", p.data, "--listen-peer", p.peer, "--listen-client", p.client,
		"--listen-http", p.http, "--heartbeat", "30ms", "--election-timeout", "200ms"}
	for id, other := range p.cluster.nodes {
		args = append(args, "--peer", fmt.Sprintf("%d=%s", id, other.peer))
	}
	cmd, exited := exec.Command("ordeal-node", append(args, p.extra...)...), make(chan struct{})
	cmd.Stderr = &p.log
	require.NoError(p.cluster.t, cmd.Start())
	p.cmd, p.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(exited)
	}()
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.exited
	}
}

// terminate asks the process to stop, and returns its exit code.
func (p *process) terminate() int {
	require.NoError(p.cluster.t, p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) status() (node.StatusReport, bool) {
	var r node.StatusReport
	asker := http.Client{Timeout: 10 * time.Second}
	answer, err := asker.Get("http://" + p.http + "/status")
	if err != nil {
		return r, false
	}
	defer answer.Body.Close()
	return r, answer.StatusCode == http.StatusOK && json.NewDecoder(answer.Body).Decode(&r) == nil
}

func (c *cluster) open(o client.Options) *client.Client {
	o.Nodes, o.ClusterID = map[raft.NodeID]string{}, "mine"
	for id, p := range c.nodes {
		o.Nodes[id] = p.client
	}
	k, err := client.New(o)
	require.NoError(c.t, err)
	return k
}

// eventually waits for a condition, as long as a loaded machine may take.
func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 2*time.Minute, 10*time.Millisecond, what)
}

// writer appends ascending numbers to a key of its own, and knows what became of each.
type writer struct {
	key                    string
	acked, refused, unsure map[int]bool
	order                  []int // those acknowledged
}

func (w *writer) run(ctx context.Context, c *client.Client, acked *atomic.Int64) {
	for n := 1; ctx.Err() == nil; n++ {
		trying, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_, err := c.Do(trying, kv.Txn{Ops: []kv.Op{{Kind: kv.Append, Key: w.key, Value: fmt.Appendf(nil, "%d ", n)}}}, wire.ReadIndex)
		cancel()
		var failed *client.Error
		switch {
		case err == nil:
			w.acked[n] = true
			w.order = append(w.order, n)
			acked.Add(1)
		case errors.As(err, &failed) && failed.Definite:
			w.refused[n] = true
		default:
			w.unsure[n] = true
		}
	}
}

// check compares what the key holds with what the writer knows.
func (w *writer) check(t *testing.T, value string) {
	var inOrder []int
	seen := map[int]bool{}
	for _, word := range strings.Fields(value) {
		n, err := strconv.Atoi(word)
		require.NoError(t, err)
		require.False(t, seen[n], "%s: %d is there twice", w.key, n)
		require.False(t, w.refused[n], "%s: %d was refused and is there", w.key, n)
		require.True(t, w.acked[n] || w.unsure[n], "%s: %d was never written", w.key, n)
		seen[n] = true
		if w.acked[n] {
			inOrder = append(inOrder, n)
		}
	}
	require.Equal(t, w.order, inOrder, "%s: what was acknowledged is there, in its order", w.key)
}

var kills = flag.Int("kills", 20, "how many times TestR12KillAtAnyMoment kills")

// Nodes are killed at any moment, one, two or all of them, and started again: every acknowledged write survives, and
// none that was refused or tried once is there twice (R12).
func TestR12KillAtAnyMoment(t *testing.T) {
	c := startCluster(t, 3)
	seed := rand.Uint64()
	t.Log("seed", seed) // of who is killed; the moment is the machine's
	rng := rand.New(rand.NewPCG(seed, 1))

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var acked atomic.Int64
	var writers []*writer
	var writing sync.WaitGroup
	for i := range 6 {
		w := &writer{key: fmt.Sprint("w", i), acked: map[int]bool{}, refused: map[int]bool{}, unsure: map[int]bool{}}
		writers = append(writers, w)
		k := c.open(client.Options{Home: raft.NodeID(i%3 + 1), Find: client.Find(i % 3)})
		defer k.Close()
		writing.Go(func() { w.run(ctx, k, &acked) })
	}
	for killed := 0; killed < *kills; {
		before := acked.Load()
		eventually(t, func() bool { return acked.Load() >= before+int64(1+rng.IntN(60)) }, "writes go on")
		victims := rng.Perm(3)[:[]int{1, 1, 1, 2, 3}[rng.IntN(5)]]
		for _, v := range victims {
			c.nodes[raft.NodeID(v+1)].kill()
			killed++
		}
		if len(victims) == 1 && rng.IntN(2) == 0 {
			before := acked.Load()
			eventually(t, func() bool { return acked.Load() > before }, "a majority serves (R18)")
		}
		for _, v := range victims {
			c.nodes[raft.NodeID(v+1)].start()
		}
	}
	cancel()
	writing.Wait()

	reader := c.open(client.Options{})
	defer reader.Close()
	unsure := 0
	for _, w := range writers {
		var value string
		eventually(t, func() bool {
			reading, done := context.WithTimeout(context.Background(), 5*time.Second)
			defer done()
			r, err := reader.Do(reading, kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: w.key}}}, wire.ReadIndex)
			if err == nil {
				value = string(r.Results[0].Value)
			}
			return err == nil
		}, "reads are served")
		w.check(t, value)
		unsure += len(w.unsure)
	}
	t.Logf("%d acknowledged, %d unsure", acked.Load(), unsure)
	for _, p := range c.nodes {
		require.Zero(t, p.terminate(), "exit code of node %d", p.id)
	}
}

// A minority refuses what it cannot do rightly, and still offers the read that is named stale; with one more node the
// cluster serves again (R18).
func TestR18MinorityRefuses(t *testing.T) {
	for size, killed := range map[int]int{3: 2, 5: 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c := startCluster(t, size)
			k := c.open(client.Options{DialTimeout: 5 * time.Second})
			defer k.Close()
			put := kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: "k", Value: []byte("v")}}}
			get := kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: "k"}}}
			do := func(txn kv.Txn, consistency wire.Consistency, limit time.Duration) (client.Result, error) {
				ctx, cancel := context.WithTimeout(context.Background(), limit)
				defer cancel()
				return k.Do(ctx, txn, consistency)
			}
			serves := func() bool {
				_, err := do(put, wire.ReadIndex, 5*time.Second)
				return err == nil
			}
			eventually(t, serves, "the cluster serves")
			for _, p := range c.nodes {
				eventually(t, func() bool { s, ok := p.status(); return ok && s.Keys == 1 }, "everybody has the key")
			}
			for id := raft.NodeID(1); id <= raft.NodeID(killed); id++ {
				c.nodes[id].kill()
			}
			for id := raft.NodeID(killed + 1); id <= raft.NodeID(size); id++ {
				eventually(t, func() bool { s, ok := c.nodes[id].status(); return ok && s.Role != "leader" && s.Leader == 0 }, "nobody leads a minority")
			}
			for _, txn := range []kv.Txn{put, get} {
				for _, consistency := range []wire.Consistency{wire.ReadIndex, wire.ThroughLog} {
					// An attempt may be under way when its time is up, and then nobody knows; but it never succeeds.
					eventually(t, func() bool {
						_, err := do(txn, consistency, 300*time.Millisecond)
						var failed *client.Error
						require.ErrorAs(t, err, &failed)
						return failed.Definite
					}, "a minority refuses")
				}
			}
			stale, err := do(get, wire.Stale, time.Minute)
			require.NoError(t, err)
			require.Equal(t, "v", string(stale.Results[0].Value))

			c.nodes[1].start()
			eventually(t, serves, "the cluster serves again")
		})
	}
}

// A node of another cluster, and one that takes its peer for another, are refused by those they call; the logs on both
// sides say why, and the cluster does not mind.
func TestWrongPeersAreRefused(t *testing.T) {
	c := startCluster(t, 1)
	mine := c.nodes[1]
	stranger := &process{id: 2, data: t.TempDir(), peer: freeAddress(), client: freeAddress(), http: freeAddress()}
	stranger.cluster = &cluster{t: t, nodes: map[raft.NodeID]*process{1: mine, 2: stranger}}
	confused := &process{id: 2, data: t.TempDir(), peer: freeAddress(), client: freeAddress(), http: freeAddress()}
	confused.cluster = &cluster{t: t, nodes: map[raft.NodeID]*process{2: confused, 3: mine}}
	stranger.run("yours")
	defer stranger.kill()
	confused.run("mine")
	defer confused.kill()

	for p, reason := range map[*process]string{
		stranger: `refused: this node belongs to cluster \"mine\", not \"yours\"`,
		confused: "refused: this is node 1, not node 3",
	} {
		eventually(t, func() bool { return strings.Contains(p.log.String(), reason) }, reason)
		eventually(t, func() bool { return strings.Contains(mine.log.String(), reason) }, reason)
	}
	require.Contains(t, stranger.log.String(), "2 voters survive the loss of 0, as 1 would") // R19
	require.Zero(t, stranger.terminate())
	require.Zero(t, confused.terminate())
	k := c.open(client.Options{})
	defer k.Close()
	eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := k.Do(ctx, kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: "k"}}}, wire.ReadIndex)
		return err == nil
	}, "the cluster serves")
	require.Zero(t, mine.terminate())
}

// A second start on the folder of a node that was killed finds its identity, vote and log there.
func TestKilledNodeRemembersItsTerm(t *testing.T) {
	c := startCluster(t, 1)
	var before node.StatusReport
	eventually(t, func() bool {
		var ok bool
		before, ok = c.nodes[1].status()
		return ok && before.Role == "leader" && before.Applied > 0
	}, "it leads")
	c.nodes[1].kill()
	require.Equal(t, -1, c.nodes[1].cmd.ProcessState.ExitCode())
	_, err := os.Stat(c.nodes[1].data)
	require.NoError(t, err)
	c.nodes[1].start()
	eventually(t, func() bool {
		after, ok := c.nodes[1].status()
		return ok && after.Role == "leader" && after.Term > before.Term && after.LastIndex > before.LastIndex
	}, "it leads a later term of the same log")
}

// A leader that is asked to stop hands leadership over: here nobody else would stand for election within an hour (R22).
func TestR22StoppingLeaderHandsOver(t *testing.T) {
	c := newCluster(t, 3)
	for id, p := range c.nodes {
		if id != 1 {
			p.extra = []string{"--election-timeout", "1h"}
		}
		p.start()
	}
	leads := func(id raft.NodeID) bool {
		s, ok := c.nodes[id].status()
		return ok && s.Role == "leader" && s.Applied > 0
	}
	eventually(t, func() bool { return leads(1) }, "node 1 leads")
	before, _ := c.nodes[1].status()
	require.Zero(t, c.nodes[1].terminate())
	eventually(t, func() bool { return leads(2) || leads(3) }, "another leads")
	for _, id := range []raft.NodeID{2, 3} {
		eventually(t, func() bool { s, ok := c.nodes[id].status(); return ok && s.Term == before.Term+1 }, "one election was enough")
	}
}
