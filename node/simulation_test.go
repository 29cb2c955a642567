package node

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

var (
	simulationSeeds = flag.Int("simulation.seeds", 1000, "how many seeds TestSimulatedCluster runs")
	simulationSeed  = flag.Uint64("simulation.seed", 0, "run this seed only")
)

// A whole cluster in one thread: drivers, inboxes, disks and logs are the real ones, over disks in memory that lose
// power and a network that loses, repeats and reorders. Each key has one writer, which writes ascending numbers and
// leaves the key for good when it does not know what became of one. So what a reader may see is simple to say:
// nothing older than what was acknowledged or read before it began, nothing that was refused, nothing never written.
func TestSimulatedCluster(t *testing.T) {
	first, n := uint64(1), *simulationSeeds
	if testing.Short() {
		n = min(n, 200)
	}
	if *simulationSeed != 0 {
		first, n = *simulationSeed, 1
	}
	var total simulationCounts
	for seed := first; seed < first+uint64(n); seed++ {
		s := newSimulation(t, seed)
		s.run()
		total.add(s.counts)
	}
	t.Logf("%d seeds: %+v", n, total)
	if n >= 100 { // else the runs have not tried what they are for
		require.Greater(t, total.Acknowledged, 10*n)
		require.Greater(t, total.Reads, 10*n)
		require.Greater(t, total.PowerLosses, n)
		require.Greater(t, total.DiskFailures, n/2)
		require.Greater(t, total.Unknown, n/4)
		require.Greater(t, total.Saved, n)
		require.Greater(t, total.Installed, n/4)
	}
}

type simulationCounts struct{ Acknowledged, Reads, Refused, Unknown, Kills, PowerLosses, DiskFailures, Leaders, Saved, Installed int }

func (c *simulationCounts) add(o simulationCounts) {
	c.Acknowledged += o.Acknowledged
	c.Reads += o.Reads
	c.Refused += o.Refused
	c.Unknown += o.Unknown
	c.Kills += o.Kills
	c.PowerLosses += o.PowerLosses
	c.DiskFailures += o.DiskFailures
	c.Leaders += o.Leaders
	c.Saved += o.Saved
	c.Installed += o.Installed
}

type simulation struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	now    time.Duration
	nodes  []*simulatedNode
	flying []raft.Message
	cut    map[[2]raft.NodeID]bool
	calm   bool // no faults any more

	keys     []*simulatedKey
	requests uint64
	leaders  map[uint64]raft.NodeID // by term
	counts   simulationCounts

	snapshotEntries uint64
}

// simulatedNode is the Host of one driver.
type simulatedNode struct {
	s         *simulation
	id        raft.NodeID
	mem       *vfs.Mem
	*Engine   // nil while down
	waiting   map[uint64]*simulatedCall
	committed uint64 // greatest commit index in this life
}

// simulatedKey is what is known of one key.
type simulatedKey struct {
	name      string
	written   int // last number given to a write
	floor     int // greatest that was acknowledged or read
	refused   map[int]bool
	busy      bool // a write is under way
	abandoned bool
}

// simulatedCall is a request under way. It takes its own answer.
type simulatedCall struct {
	node  *simulatedNode
	id    uint64
	key   *simulatedKey
	value int // of a write; 0: a read
	floor int // of a read: what it must see at least
	stale bool
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), cut: map[[2]raft.NodeID]bool{}, leaders: map[uint64]raft.NodeID{}}
	size := []int{3, 3, 4, 5}[s.rng.IntN(4)]
	s.snapshotEntries = []uint64{0, 5, 12, 50}[s.rng.IntN(4)]
	for i := range size {
		s.nodes = append(s.nodes, &simulatedNode{s: s, id: raft.NodeID(i + 1), mem: vfs.NewMem()})
	}
	for range 3 {
		s.newKey()
	}
	for _, n := range s.nodes {
		n.start()
	}
	return s
}

func (s *simulation) newKey() {
	s.keys = append(s.keys, &simulatedKey{name: fmt.Sprint("k", len(s.keys)), refused: map[int]bool{}})
}

func (s *simulation) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("-simulation.seed=%d at %v: %s", s.seed, s.now, fmt.Sprintf(format, args...))
}

func (n *simulatedNode) start() {
	s := n.s
	o := Options{ID: n.id, ClusterID: "simulated", Data: "/data", FS: n.mem, Peers: map[raft.NodeID]string{}, Heartbeat: 15 * time.Millisecond, ElectionTimeout: 60 * time.Millisecond,
		ClockDrift: 0.2, PreVote: s.seed%2 == 0, CheckQuorum: true, SnapshotEntries: s.snapshotEntries, SegmentSize: 4096, ChunkBytes: 100}
	for _, other := range s.nodes {
		o.Peers[other.id] = fmt.Sprint("node", other.id, ":1")
	}
	engine, err := OpenEngine(o)
	if errors.Is(err, errSimulated) {
		n.down(s.rng.IntN(2) == 0)
		return
	}
	require.NoError(s.t, err, "seed %d", s.seed)
	n.Engine = engine
	require.NoError(s.t, engine.Start(n, s.now, rand.New(rand.NewPCG(s.seed, s.rng.Uint64()))), "seed %d", s.seed)
	_, _, _, newest := engine.Recovered()
	n.waiting, n.committed = map[uint64]*simulatedCall{}, newest.LastIncludedIndex
}

func (n *simulatedNode) Reconfigured(raft.Configuration) {}

func (n *simulatedNode) Send(m raft.Message) { n.s.flying = append(n.s.flying, m) }

// down ends the node's process, or all power of its machine. What it had not answered nobody knows.
func (n *simulatedNode) down(power bool) {
	if power {
		n.s.counts.PowerLosses++
		n.mem.Crash(n.s.rng)
	} else {
		n.s.counts.Kills++
		n.mem.Kill()
	}
	n.mem.Inject(nil)
	n.Engine = nil
	for id := range n.waiting { // each for itself: the order does not matter
		n.waiting[id].unknown()
	}
	n.waiting = map[uint64]*simulatedCall{}
}

// turn is one round of the driver's thread.
func (n *simulatedNode) turn() {
	b := n.inbox.take(batch{})
	n.s.counts.Saved += len(b.saved)
	for _, stored := range b.stored {
		if stored.Machine != nil {
			n.s.counts.Installed++
		}
	}
	n.driver.Tick(n.s.now)
	b.drive(n.driver)
	n.check()
}

func (n *simulatedNode) check() {
	s, st := n.s, n.driver.Status()
	if st.Role == raft.Leader {
		if other, ok := s.leaders[st.Term]; ok && other != n.id {
			s.fatalf("nodes %d and %d lead term %d", other, n.id, st.Term)
		}
		s.leaders[st.Term] = n.id
		s.counts.Leaders = len(s.leaders)
	}
	if st.Commit < n.committed {
		s.fatalf("commit index of node %d went back from %d to %d", n.id, n.committed, st.Commit)
	}
	n.committed = st.Commit
}

var errSimulated = errors.New("simulated disk failure")

// sync has the disk's thread do its work, which a failure may end at any operation.
func (n *simulatedNode) sync() {
	s := n.s
	if !s.calm && s.rng.IntN(60) == 0 {
		left := s.rng.IntN(4)
		n.mem.Inject(func(op vfs.Op) error {
			if left--; left < 0 {
				return errSimulated
			}
			return nil
		})
	}
	var err error
	if s.rng.IntN(2) == 0 {
		err = n.disk.writeAll()
	}
	if err == nil && s.rng.IntN(2) == 0 {
		err = n.snapshotter.workAll()
	}
	n.mem.Inject(nil)
	if err != nil {
		if !errors.Is(err, errSimulated) {
			s.fatalf("node %d: %v", n.id, err)
		}
		s.counts.DiskFailures++
		for range s.rng.IntN(3) {
			n.turn() // the driver's thread goes on for a moment
		}
		n.down(s.rng.IntN(2) == 0)
	}
}

func (s *simulation) run() {
	for range 3000 {
		s.step()
	}
	s.settle()
}

func (s *simulation) step() {
	n := s.nodes[s.rng.IntN(len(s.nodes))]
	switch p := s.rng.IntN(1000); {
	case n.Engine == nil:
		if p < 30 {
			n.start()
		}
	case p < 500:
		n.turn()
	case p < 800:
		n.sync()
	case p < 900:
		s.request(s.guess(n))
	case p < 902:
		n.down(s.rng.IntN(3) > 0)
	case p < 905:
		s.partition()
	}
	for range s.rng.IntN(4) {
		s.deliver()
	}
	s.now += time.Duration(s.rng.IntN(800)) * time.Microsecond
}

// partition cuts random links, each in one direction, or heals all.
func (s *simulation) partition() {
	clear(s.cut)
	if s.rng.IntN(2) == 0 {
		return
	}
	for _, a := range s.nodes {
		for _, b := range s.nodes {
			s.cut[[2]raft.NodeID{a.id, b.id}] = s.rng.IntN(3) == 0
		}
	}
}

func (s *simulation) deliver() {
	if len(s.flying) == 0 {
		return
	}
	i := min(s.rng.IntN(len(s.flying)), s.rng.IntN(len(s.flying))) // rather the older
	m := s.flying[i]
	if s.calm || s.rng.IntN(20) > 0 { // else it comes again
		s.flying = append(s.flying[:i], s.flying[i+1:]...)
	}
	to := s.nodes[m.To-1]
	lost := !s.calm && (s.cut[[2]raft.NodeID{m.From, m.To}] || s.rng.IntN(20) == 0)
	if to.Engine != nil && !lost {
		to.inbox.putMessages([]raft.Message{m})
	}
}

// guess is whom a client asks: most often the leader that n knows.
func (s *simulation) guess(n *simulatedNode) *simulatedNode {
	if leader := n.driver.Status().Leader; leader != 0 && s.nodes[leader-1].Engine != nil && s.rng.IntN(5) > 0 {
		return s.nodes[leader-1]
	}
	return n
}

// request has a client ask n for something.
func (s *simulation) request(n *simulatedNode) {
	k := s.keys[max(s.rng.IntN(len(s.keys)), s.rng.IntN(len(s.keys)))] // rather the newer
	if s.rng.IntN(2) == 0 {
		s.read(n, k, []wire.Consistency{wire.ReadIndex, wire.ReadIndex, wire.Lease, wire.ThroughLog, wire.Stale}[s.rng.IntN(5)])
		return
	}
	if k.busy || k.abandoned {
		return
	}
	k.busy = true
	k.written++
	s.ask(&simulatedCall{node: n, key: k, value: k.written}, wire.ReadIndex, kv.Op{Kind: kv.Put, Key: k.name, Value: strconv.AppendInt(nil, int64(k.written), 10)})
}

func (s *simulation) read(n *simulatedNode, k *simulatedKey, c wire.Consistency) {
	s.ask(&simulatedCall{node: n, key: k, floor: k.floor, stale: c == wire.Stale}, c, kv.Op{Kind: kv.Get, Key: k.name})
}

func (s *simulation) ask(c *simulatedCall, consistency wire.Consistency, op kv.Op) {
	s.requests++
	c.id = s.requests
	c.node.waiting[c.id] = c
	txn := kv.Txn{Ops: []kv.Op{op}}
	require.True(s.t, c.node.inbox.putRequest(Request{ID: c.id, From: c, Kind: wire.Transact, Consistency: consistency, Parsed: kv.Command{Kind: kv.Transact, Txn: txn}, Command: kv.AppendTxn(nil, txn)}))
}

// Answer takes the node's response.
func (c *simulatedCall) Answer(p wire.Response) {
	s := c.node.s
	if c.node.waiting[p.ID] != c {
		s.fatalf("request %d is answered twice", p.ID)
	}
	delete(c.node.waiting, p.ID)
	switch {
	case p.Status == wire.Unknown:
		c.unknown()
	case p.Status != wire.OK:
		s.counts.Refused++
		if c.value > 0 {
			c.key.busy = false
			c.key.refused[c.value] = true
		}
	case c.value > 0:
		s.counts.Acknowledged++
		c.key.busy = false
		c.key.floor = max(c.key.floor, c.value)
	default:
		s.counts.Reads++
		c.saw(p)
	}
}

func (c *simulatedCall) saw(p wire.Response) {
	s, k := c.node.s, c.key
	r, err := kv.DecodeResult(p.Result)
	require.NoError(s.t, err)
	value := 0
	if r.Results[0].Found {
		value, err = strconv.Atoi(string(r.Results[0].Value))
		require.NoError(s.t, err)
	}
	switch {
	case value > k.written:
		s.fatalf("%s holds %d, which was never written", k.name, value)
	case k.refused[value]:
		s.fatalf("%s holds %d, which was refused", k.name, value)
	case !c.stale && value < c.floor:
		s.fatalf("%s was read as %d by node %d after %d had been acknowledged or read", k.name, value, c.node.id, c.floor)
	case !c.stale:
		k.floor = max(k.floor, value)
	}
}

// unknown ends a call without an answer. A write of it may still come: nobody writes the key any more.
func (c *simulatedCall) unknown() {
	if c.value == 0 {
		return
	}
	c.node.s.counts.Unknown++
	c.key.busy, c.key.abandoned = false, true
	c.node.s.newKey()
}

// settle ends all faults. Then the cluster has to serve (R18), and everything acknowledged has to be there (R12).
func (s *simulation) settle() {
	s.calm = true
	for _, n := range s.nodes {
		if n.Engine == nil {
			n.start()
		}
	}
	for _, k := range s.keys {
		s.finalRead(k)
	}
	s.until("every request is answered", func() bool {
		for _, n := range s.nodes {
			if len(n.waiting) > 0 {
				return false
			}
		}
		return true
	})
}

// until has the cluster work without faults.
func (s *simulation) until(what string, done func() bool) {
	for range 1000 {
		if done() {
			return
		}
		for range 5 {
			for len(s.flying) > 0 {
				s.deliver()
			}
			for _, n := range s.nodes {
				n.turn()
				n.sync()
			}
		}
		s.now += 5 * time.Millisecond
	}
	s.fatalf("all faults have ended, and yet it does not come to pass that %s", what)
}

func (s *simulation) finalRead(k *simulatedKey) {
	served := s.counts.Reads
	s.until("the cluster serves", func() bool {
		for _, n := range s.nodes {
			if n.driver.Status().Role == raft.Leader {
				s.read(n, k, wire.ReadIndex)
			}
		}
		return s.counts.Reads > served
	})
}
