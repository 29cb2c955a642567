package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// simNode is one node of the cluster: its machine, whose disk and clock stay, and the process that runs on it, if one does.
type simNode struct {
	world *world
	id    raft.NodeID
	index int32
	mem   *vfs.Mem
	clock nodeClock

	process *process // nil: it is down
	life    uint64   // counts processes: what was planned for an earlier one is void
	ended   string   // how the last process ended
	paused  bool
	starts  uint64 // processes that it has had
	hidden  bool   // from clients
	shunned uint64 // by those clients, see Injection.Workers
	wall    wallClock
	joins   bool // the next process waits to be added, being no member any more

	follow follow // for the invariants: its log as it should be
	disk   diskTrouble
	fault  nemesis.DiskFault // of those, what the nemesis of other clusters has in force
	counts diskCounts
	flips  []flipped
	said   string      // what its last process ended with
	held   int         // faults that keep it down
	sender raft.NodeID // who sent it a snapshot's later chunk last

	worked uint64 // works of the disk, over all lives
	timed  uint64 // of them, those whose time was drawn: they are not done in that order
	turns  uint64 // of its thread that were planned, likewise
	taps   uint64 // what clients have sent and been sent
}

// process is a running node: the real engine, whose Host this is.
type process struct {
	*node.Engine
	node *simNode

	turning  bool          // a turn is planned
	alarm    time.Duration // when the next look at the driver's deadline is planned; 0: none
	logBusy  bool          // work of the disk is planned
	logBegun bool          // and begun: it is about the first begun of the node's unwritten writes
	begun    int
	snapBusy bool
	leaving  bool // it was removed, and ends soon
	calls    map[uint64]*call
	commands map[*byte]*call // of them, by their commands
	lastCall uint64
}

func newSimNode(w *world, i int) *simNode {
	return &simNode{world: w, id: raft.NodeID(i + 1), index: int32(i), mem: vfs.NewMem(), clock: nodeClock{rate: million}, follow: newFollow(w.plan.Nodes)}
}

func (n *simNode) name() string { return n.world.names[n.index] }

// guard runs code of the node, and makes the end of its process of a panic.
func (n *simNode) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			if _, ours := p.(stopped); ours {
				panic(p)
			}
			n.world.stack = string(debug.Stack())
			n.down(fmt.Sprintf("panic: %v", p))
			n.world.judge.violate("panic", n.id, "%s panicked: %v", n.name(), p)
		}
	}()
	f()
}

// boot starts a process. One whose disk fails it ends at once.
func (n *simNode) boot() {
	w := n.world
	n.life++
	n.starts++
	n.ended, n.said = "", ""
	if n.wall.set {
		n.wall = wallClock{}
		n.clock.set(w.now, million, 0)
	}
	n.guard(func() {
		stroke := n.watchDisk()
		defer n.mem.Inject(nil)
		engine, err := node.OpenEngine(n.options())
		if stroke.by != nil {
			n.struck(stroke.by)
			return
		}
		if err != nil {
			n.exit(err)
			return
		}
		p := &process{Engine: engine, node: n, calls: map[uint64]*call{}, commands: map[*byte]*call{}}
		n.process = p
		hard, start, entries, newest := engine.Recovered()
		w.judge.started(n, hard, start, entries, newest)
		random := w.decider.Draw(Choice{Kind: NodeRandom, From: int32(n.id), Seq: n.life}, 1<<63)
		err = engine.Start(p, n.clock.at(w.now), rand.New(rand.NewPCG(random, n.life)))
		if err != nil || stroke.by != nil {
			n.process = nil
		}
		if stroke.by != nil {
			n.struck(stroke.by)
			return
		}
		if err != nil {
			n.exit(err)
			return
		}
		st, applied := engine.Driver().Brief()
		w.tell(Event{At: w.now, Kind: NodeStarted, Node: n.id, Term: st.Term, Index: st.LastIndex})
		w.judge.began(n, st, applied)
		w.moment(MomentStarts, n)
		n.schedule()
	})
}

// options are what the process is started with.
func (n *simNode) options() node.Options {
	p := &n.world.plan.Node
	o := node.Options{ID: n.id, ClusterID: "simulated", Data: dataFolder, FS: n.mem, Peers: map[raft.NodeID]string{}, Heartbeat: p.Heartbeat,
		ElectionTimeout: p.ElectionTimeout, ClockDrift: p.ClockDrift, PreVote: p.PreVote, CheckQuorum: p.CheckQuorum,
		SnapshotEntries: p.SnapshotEntries, Sessions: kv.Limits{Sessions: p.Sessions}, SegmentSize: p.SegmentSize, ChunkBytes: p.ChunkBytes, Join: n.joins}
	for _, other := range n.world.nodes {
		o.Peers[other.id] = other.name() + ":7000"
	}
	return o
}

// Send is for the driver.
func (p *process) Send(m raft.Message) {
	w := p.node.world
	w.judge.sent(p.node, &m)
	w.send(m)
}

// Write is for the driver.
func (p *process) Write(w node.Write) {
	st, _ := p.Driver().Brief()
	p.node.world.judge.writes(p.node, st, &w)
	p.Engine.Write(w)
}

// SaveSnapshot is for the driver.
func (p *process) SaveSnapshot(meta raft.SnapshotMeta, m *kv.Machine) {
	p.node.world.judge.saves(p.node, meta, m)
	p.Engine.SaveSnapshot(meta, m)
}

// Reconfigured is for the driver: the simulated network knows everybody.
func (p *process) Reconfigured(raft.Configuration) {}

// happens has something planned for the process happen.
func (n *simNode) happens(h happening) {
	if n.paused {
		return // planned anew when it goes on
	}
	n.guard(func() {
		switch h.kind {
		case turn:
			n.process.turning = false
			n.turn()
		case timer:
			if h.at != n.process.alarm {
				return // another one has taken its place
			}
			n.process.alarm = 0
			n.turn()
		case logWork:
			n.process.logBusy = false
			n.writeLog()
		case snapWork:
			n.process.snapBusy = false
			n.writeSnapshots()
		case leave:
			n.world.coverage.Count(RemovedLeft)
			n.down(exitedWell)
			n.returns()
		}
	})
}

// returns has a node that has left, and that whoever sees to the cluster wants, started again to wait until it is added. During the
// faults who changes the members does that.
func (n *simNode) returns() {
	if w := n.world; w.calm {
		w.at(w.now+memberPause, n.bootIfDown)
	}
}

// exitedWell is how a process ends that stops by itself in good order.
const exitedWell = "exit status 0"

// turn has the driver take what has arrived, and plans what follows from it.
func (n *simNode) turn() {
	w, p := n.world, n.process
	p.Turn(func() time.Duration { return n.clock.at(w.now) })
	st, applied := p.Driver().Brief()
	w.judge.turned(n, st, applied)
	if n.process == p {
		n.schedule()
	}
}

// turnSoon plans a turn, because something has arrived.
func (n *simNode) turnSoon() {
	p, w := n.process, n.world
	if p == nil || p.turning || n.paused {
		return
	}
	p.turning = true
	at := w.now
	if most := w.plan.Disk.TurnTime; most > 0 && !w.calm {
		n.turns++
		at += time.Duration(w.decider.Draw(Choice{Kind: TurnTime, From: int32(n.id), Seq: n.turns}, uint64(most)))
	}
	w.queue.push(happening{at: at, kind: turn, node: n.index, life: n.life})
}

// schedule plans the process's next timer and the work of its disk.
func (n *simNode) schedule() {
	p, w := n.process, n.world
	if deadline := n.clock.when(p.Driver().Deadline(), w.now); p.alarm == 0 || deadline < p.alarm {
		p.alarm = max(deadline, w.now+1)
		w.queue.push(happening{at: p.alarm, kind: timer, node: n.index, life: n.life})
	}
	log, snapshots := p.Waiting()
	if log && !p.logBusy {
		p.logBusy = true
		if !p.logBegun { // else it stood still amid this work
			p.BeginLog()
			p.logBegun, p.begun = true, len(n.follow.unwritten)
		}
		w.queue.push(happening{at: w.now + n.syncTime(), kind: logWork, node: n.index, life: n.life})
	}
	if snapshots && !p.snapBusy {
		p.snapBusy = true
		w.queue.push(happening{at: w.now + n.syncTime(), kind: snapWork, node: n.index, life: n.life})
	}
	if p.Driver().Removed() && !p.leaving {
		p.leaving = true
		w.queue.push(happening{at: w.now + 2*w.plan.Node.Heartbeat, kind: leave, node: n.index, life: n.life})
	}
}

// down ends the process, if one runs.
func (n *simNode) down(how string) {
	if n.process == nil {
		return
	}
	w, p := n.world, n.process
	n.mem.Inject(nil)
	n.mem.Kill()
	w.judge.ended(n, p)
	n.process, n.ended, n.paused = nil, how, false
	n.joins = n.joins || how == exitedWell
	w.tell(Event{At: w.now, Kind: NodeEnded, Node: n.id, Text: how})
	w.noteEvent(nemesis.Event{ID: -1, Fault: nemesis.Ended, Mode: "drawn", Phase: nemesis.PhaseHeal, Text: n.name() + " ended: " + how, Targets: []string{n.name()},
		Took: true, Stood: true, Evidence: []string{how}, Start: w.now, Done: w.now, End: w.now})
	w.breakCalls(p)
}

// kill ends the process as SIGKILL does; with power the machine loses what it had not synced.
func (n *simNode) kill(power bool) {
	if !power {
		n.world.coverage.Count(Kills)
		n.down("signal: killed")
		return
	}
	n.world.coverage.Count(PowerLosses)
	n.down("power lost")
	n.tear()
}

// tear has the disk lose what was not synced, or parts of it.
func (n *simNode) tear() {
	seed := n.world.decider.Draw(Choice{Kind: Tearing, From: int32(n.id), Seq: n.life}, 1<<63)
	n.mem.Crash(rand.New(rand.NewPCG(seed, 1)))
}

// exit ends a process that its disk has failed. That is as it should be where the disk was made to fail.
func (n *simNode) exit(err error) {
	w := n.world
	n.mem.Inject(nil)
	n.said = err.Error()
	expected := n.excused()
	if n.process == nil { // it did not come up
		n.mem.Kill()
		n.ended = "exit status 1"
		w.tell(Event{At: w.now, Kind: NodeEnded, Node: n.id, Text: "did not start"})
	}
	n.down("exit status 1")
	if !expected {
		w.crashes = append(w.crashes, fmt.Sprintf("%s ended by itself at %v: %v", n.name(), w.now, err))
		w.judge.violate("crash", n.id, "%s ended by itself: %v", n.name(), err)
	}
}
