package raft

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	seeds     = flag.Uint64("raft.seeds", defaultSeeds, "how many random clusters to run")
	firstSeed = flag.Uint64("raft.seed", 1, "seed of the first of them")
)

// Random clusters over a bad network, with slow disks, crashes and drifting clocks keep every safety property after
// every step, answer no stale read, and make progress once all faults are healed (R1-R13, R15-R18, R20, R22). They take
// snapshots and change their members all the time.
func TestRandomClustersAreSafeAndLive(t *testing.T) {
	count := *seeds
	if testing.Short() {
		count = min(count, 300)
	}
	var reads, commits atomic.Uint64
	var rare rareStates
	var mutex sync.Mutex
	work := make(chan uint64)
	failures := make(chan string, runtime.GOMAXPROCS(0))
	stop := make(chan struct{})
	var once sync.Once
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for seed := range work {
				r, err := runRandomCluster(seed)
				if err != nil {
					once.Do(func() { close(stop) })
					failures <- fmt.Sprintf("seed %d (go test -run %s ./raft -raft.seeds 1 -raft.seed %d): %v", seed, t.Name(), seed, err)
					return
				}
				reads.Add(uint64(r.readsAnswered))
				commits.Add(r.safety.lastCommitted())
				mutex.Lock()
				rare.add(r.rare())
				mutex.Unlock()
			}
		})
	}
feed:
	for seed := *firstSeed; seed < *firstSeed+count; seed++ {
		select {
		case work <- seed:
		case <-stop:
			break feed
		}
	}
	close(work)
	group.Wait()
	close(failures)
	for f := range failures {
		t.Error(f)
	}
	t.Logf("%d clusters: %d entries committed, %d reads confirmed", count, commits.Load(), reads.Load())
	t.Log(rare)
	require.Greater(t, commits.Load(), count, "the clusters hardly did anything")
	require.True(t, count < 300 || min(rare.installed, rare.kept, rare.resumed, rare.otherLeader, rare.finished, rare.joint,
		rare.left, rare.rolledBack, rare.removed) > 0, "a state was never reached: %v", rare)
	require.Greater(t, reads.Load(), count, "the clusters hardly answered reads")
}

// The same seed gives the same run: the core depends on nothing but its inputs.
func TestRandomClusterIsDeterministic(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		a, err := runRandomCluster(seed)
		require.NoError(t, err)
		b, err := runRandomCluster(seed)
		require.NoError(t, err)
		require.Equal(t, a.safety.committed, b.safety.committed)
		require.Equal(t, a.steps, b.steps)
	}
}

const (
	electionTimeout   = 100 * time.Millisecond
	heartbeatInterval = 30 * time.Millisecond
	drift             = 0.05 // clocks run at 1-drift to 1+drift of real time
	badTime           = 1500 * time.Millisecond
	goodTime          = 4 * time.Second // bound of the liveness check
)

// randomCluster is a discrete event simulation of servers, their disks, clocks and network, from one seed.
type randomCluster struct {
	random  *rand.Rand
	now     time.Duration
	events  eventQueue
	order   uint64
	servers []*server
	clocks  []clock
	lives   []int // starts of each server: what belongs to an earlier life is gone
	ticks   []time.Duration
	cut     [][]bool // cut[from][to]: one way
	slow    []bool   // disks
	// diskBusy: the end of the first write under way is scheduled.
	diskBusy []bool
	healed   bool
	safety   *safety
	weather  weather

	readIDs       uint64
	asked         map[uint64]uint64 // last committed index at the time a read was asked
	readsAnswered int
	steps         int

	every, retain uint64 // a snapshot is taken after so many entries (0: never), and leaves at most so many before it
	maxVoters     int    // of configurations that the nemesis asks for; 0: it changes no members

	proof      position // healed: the command whose application everywhere shows progress
	proofGiven time.Duration
	proofRead  bool // healed: a read was confirmed
}

// weather is how bad a run is.
type weather struct {
	loss, duplicate, late float64       // share of messages
	batching              float64       // share of inputs after which a server takes in more before it works
	nemesis               time.Duration // mean time between faults
}

type clock struct {
	offset time.Duration
	rate   float64
}

func (c clock) local(now time.Duration) time.Duration {
	return c.offset + time.Duration(float64(now)*c.rate)
}

func (c clock) real(local time.Duration) time.Duration {
	return time.Duration(float64(local-c.offset)/c.rate) + 1
}

type eventKind uint8

const (
	eventTick eventKind = iota
	eventMessage
	eventDisk
	eventWork
	eventStart
	eventClient
	eventNemesis
)

type event struct {
	at      time.Duration
	order   uint64
	kind    eventKind
	server  int
	life    int
	message Message
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(e any)   { *q = append(*q, e.(event)) }
func (q *eventQueue) Pop() any {
	e := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return e
}

// runRandomCluster runs one cluster: a bad time, then a good one.
func runRandomCluster(seed uint64) (c *randomCluster, err error) {
	c = newRandomCluster(seed)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("at %v: panic: %v", c.now, p)
		}
	}()
	for _, id := range c.servers[0].config.Configuration.Voters {
		c.schedule(event{kind: eventStart, server: int(id - 1)})
	}
	c.schedule(event{kind: eventClient})
	c.schedule(event{kind: eventNemesis})
	for c.now < badTime {
		if err := c.step(); err != nil {
			return c, fmt.Errorf("at %v: %w", c.now, err)
		}
	}
	c.heal()
	for !c.progressed() {
		if c.now > badTime+goodTime {
			return c, fmt.Errorf("no progress within %v of the healing of all faults:%s", goodTime, c.describe())
		}
		if err := c.step(); err != nil {
			return c, fmt.Errorf("at %v, healed: %w", c.now, err)
		}
	}
	return c, nil
}

func newRandomCluster(seed uint64) *randomCluster {
	r := rand.New(rand.NewPCG(seed, 0))
	n, all := []int{3, 3, 3, 5, 5, 2, 4}[r.IntN(7)], 7
	c := &randomCluster{random: r, asked: map[uint64]uint64{}, clocks: make([]clock, all), lives: make([]int, all),
		ticks: make([]time.Duration, all), slow: make([]bool, all), diskBusy: make([]bool, all), cut: make([][]bool, all)}
	pick := func(of ...float64) float64 { return of[r.IntN(len(of))] }
	c.weather = weather{loss: pick(0, 0.02, 0.2), duplicate: pick(0, 0.1), late: pick(0, 0.05, 0.2),
		batching: pick(0, 0.5, 0.9), nemesis: time.Duration(pick(30, 100, 300)) * time.Millisecond}
	config := Config{ElectionTimeout: electionTimeout, HeartbeatInterval: heartbeatInterval,
		PreVote: r.IntN(3) > 0, CheckQuorum: r.IntN(3) > 0,
		MaxAppendBytes: 1 + r.IntN(40), MaxInflight: 1 + r.IntN(4)}
	if config.CheckQuorum {
		config.LeaseDuration = electionTimeout * 9 / 10 // 0.9 < (1-drift)/(1+drift)
	}
	for i := range n {
		config.Configuration.Voters = append(config.Configuration.Voters, NodeID(i+1))
	}
	c.every, c.retain = []uint64{0, 2, 5, 20}[r.IntN(4)], r.Uint64N(8)
	c.maxVoters = []int{0, 3, 5}[r.IntN(3)]
	chunkSize := []int{8, 24, snapshotSize}[r.IntN(3)]
	for i := range all {
		config.ID, config.Random = NodeID(i+1), rand.New(rand.NewPCG(seed, uint64(i+1)))
		c.servers = append(c.servers, &server{config: config, chunkSize: chunkSize})
		c.clocks[i] = clock{offset: time.Duration(r.Int64N(int64(time.Hour))), rate: 1 + drift*(2*r.Float64()-1)}
		c.cut[i] = make([]bool, all)
	}
	c.safety = newSafety(c.servers)
	return c
}

func (c *randomCluster) schedule(e event) {
	c.order++
	e.order = c.order
	e.at = max(e.at, c.now)
	heap.Push(&c.events, e)
}

// step runs the next event, and then the server it concerned.
func (c *randomCluster) step() error {
	e := heap.Pop(&c.events).(event)
	c.now = e.at
	c.steps++
	switch e.kind {
	case eventClient:
		c.schedule(event{at: c.now + c.upTo(15*time.Millisecond), kind: eventClient})
		return c.client()
	case eventNemesis:
		if c.healed {
			return nil
		}
		c.schedule(event{at: c.now + c.upTo(2*c.weather.nemesis), kind: eventNemesis})
		return c.nemesis()
	case eventStart:
		return c.start(e.server)
	}
	s := c.servers[e.server]
	if s.core == nil || e.kind != eventMessage && e.life != c.lives[e.server] || e.kind == eventTick && e.at != c.ticks[e.server] {
		return nil
	}
	s.core.Tick(c.clocks[e.server].local(c.now))
	switch e.kind {
	case eventTick:
		c.ticks[e.server] = 0
	case eventMessage:
		s.core.Step(e.message)
	case eventDisk:
		c.diskBusy[e.server] = false
		n := min(1, len(s.queue))
		if c.random.IntN(3) == 0 {
			n = len(s.queue) // one sync for many writes
		}
		if err := c.route(s.persist(n)); err != nil {
			return err
		}
	}
	if e.kind != eventWork && c.chance(c.weather.batching) {
		c.schedule(event{at: c.now + c.upTo(10*time.Millisecond), kind: eventWork, server: e.server, life: c.lives[e.server]})
		return nil
	}
	return c.drive(e.server)
}

func (c *randomCluster) start(i int) error {
	s := c.servers[i]
	if s.core != nil {
		return nil
	}
	c.lives[i]++
	c.ticks[i], c.diskBusy[i] = 0, false
	if err := s.start(c.clocks[i].local(c.now)); err != nil {
		return err
	}
	return c.drive(i)
}

// drive does the server's work until there is no more, checks it, and sets its next tick.
func (c *randomCluster) drive(i int) error {
	s := c.servers[i]
	for busy := true; busy; {
		var r Ready
		var send []Message
		r, send, busy = s.work()
		c.snapshotWhenDue(s)
		c.scheduleDisk(i)
		if err := c.route(send); err != nil {
			return err
		}
		for _, read := range r.Reads {
			if err := c.safety.read(read, c.asked[read.ID]); err != nil {
				return err
			}
			if !read.Dropped {
				c.readsAnswered++
				c.proofRead = c.healed
			}
		}
		if err := c.safety.check(s); err != nil {
			return err
		}
	}
	if s.core.Removed() {
		c.stop(i)
		return nil
	}
	if at := max(c.clocks[i].real(s.core.Deadline()), c.now); c.ticks[i] == 0 || at < c.ticks[i] {
		c.ticks[i] = at
		c.schedule(event{at: at, kind: eventTick, server: i, life: c.lives[i]})
	}
	return nil
}
