package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/raft"
)

// Injection is a fault that a plan injects at a time and heals after another.
type Injection struct {
	ID    int           `json:"id"` // from 1, its identity among the decisions
	At    time.Duration `json:"at_ns"`
	For   time.Duration `json:"for_ns"`
	Fault string        `json:"fault"` // one of the names below
	// When is the moment of a node's life at which it strikes, from At on, the Nth time; it hurts that node. Empty: it strikes at At.
	When string `json:"when,omitempty"`
	Nth  int    `json:"nth,omitempty"`
	// Nodes are whom it hurts, by id. Empty: it aims at who leads then.
	Nodes []int `json:"nodes,omitempty"`
	// Links are what a partition cuts or a storm hits: from, to. Of an aimed partition: all links of the leader, in Ways.
	Links [][2]int      `json:"links,omitempty"`
	Ways  string        `json:"ways,omitempty"`     // "out", "in"; empty: both; "new-voters": of a joint configuration, to the others. At a moment of the disk: "after"; empty: before
	Flaps time.Duration `json:"flaps_ns,omitempty"` // a partition that comes and goes, this long each
	// Storm is what a storm adds to the links, Rate (in millionths) and Ahead what a clock does, Slow how likely (in a million) and
	// Slowness by how much at most a disk's work takes longer.
	Storm    *NetworkPlan  `json:"storm,omitempty"`
	Rate     int64         `json:"rate,omitempty"`
	Ahead    time.Duration `json:"ahead_ns,omitempty"`
	Slow     uint32        `json:"slow,omitempty"`
	Slowness time.Duration `json:"slowness_ns,omitempty"`
	// Workers are the clients that do not reach the node: bit i stands for worker i, i+64, and so on. With the way "in" the others reach
	// no node but this one. With an old leader that is so from when it is cut off.
	Workers uint64 `json:"workers,omitempty"`
	// Deaf is a server that does not hear the old leader from the beginning: the n-th after it, counted on where nodes are fewer. 0: none. With
	// Restart all others are killed and started again when the leader is cut off. Of a succession: the first that hears it.
	Deaf    int  `json:"deaf,omitempty"`
	Restart bool `json:"restart,omitempty"`
	// Old has a change of members, or a transfer, asked of who leads the earliest term, too, and of a server that is no voter.
	Old bool `json:"old,omitempty"`
}

// Faults that a plan can inject.
const (
	FaultKill       = "kill"       // the process ends; what it wrote is there
	FaultPower      = "power"      // the machine loses power, and parts of what it had not synced
	FaultPause      = "pause"      // the process stands still
	FaultPartition  = "partition"  // links pass nothing
	FaultStorm      = "packet"     // links lose, delay, repeat and reorder
	FaultClock      = "clock"      // a node's clock goes at another rate, or jumps ahead
	FaultSlowDisk   = "disk-slow"  // work of the disk takes longer
	FaultFailSync   = "disk-sync"  // every sync fails
	FaultFullDisk   = "disk-full"  // every write fails
	FaultDecay      = "disk-bit"   // a bit flips at rest, while the process is down
	FaultMembership = "membership" // voters are removed, and added again
	FaultTransfer   = "leader"     // leadership is handed over
	FaultClients    = "clients"    // some clients do not reach a node, and turn to others
	FaultOldLeader  = "old-leader" // what is sent to a leader takes ever longer, then nobody hears it any more: it leads on for a while
	FaultSuccession = "succession" // leaders follow one another, each heard by few, and the first comes back
)

var faultNames = []string{FaultKill, FaultPower, FaultPause, FaultPartition, FaultStorm, FaultClock, FaultSlowDisk, FaultFailSync, FaultFullDisk, FaultDecay, FaultMembership, FaultTransfer, FaultClients, FaultOldLeader, FaultSuccession}

// minFlaps bounds how often a partition comes and goes.
const minFlaps = 100 * time.Microsecond

// check reports what makes an injection impossible.
func (in *Injection) check(nodes int) error {
	ids := slices.Clone(in.Nodes)
	for _, l := range in.Links {
		ids = append(ids, l[0], l[1])
	}
	for _, id := range ids {
		if id < 1 || id > nodes {
			return fmt.Errorf("there is no node %d among %d", id, nodes)
		}
	}
	switch {
	case !slices.Contains(faultNames, in.Fault):
		return fmt.Errorf("there is no fault %q; there are %s", in.Fault, strings.Join(faultNames, ", "))
	case in.At < 0 || in.For < 0 || in.Flaps < 0 || in.Slowness < 0:
		return errors.New("times must not be negative")
	case (in.Fault == FaultOldLeader || in.Fault == FaultSuccession) && len(in.Links) > 0:
		return errors.New("it is about a leader, and cannot name links")
	case in.Fault == FaultOldLeader && (in.Rate < 0 || in.Rate >= 2*million):
		return fmt.Errorf("clocks do not go at the rate %d, and one as far on the other side: want 0 (as they go) to below %d millionths", in.Rate, 2*million)
	case in.Deaf < 0:
		return fmt.Errorf("there is no node number %d after the leader", in.Deaf)
	case in.Fault == FaultClients && in.Workers == 0:
		return errors.New("it does not say which clients")
	case in.Fault == FaultStorm && in.Storm == nil:
		return errors.New("it does not say what the storm does")
	case in.At > maxTime || in.For > maxTime || in.Slowness > maxTime || in.Ahead < 0 || in.Ahead > maxTime:
		return fmt.Errorf("times must be at most %v, and a clock does not go back", maxTime)
	case in.Flaps > 0 && in.Flaps < minFlaps:
		return fmt.Errorf("a partition that comes and goes every %v: want %v or more", in.Flaps, minFlaps)
	case in.Fault == FaultClock && (in.Rate <= 0 || in.Rate > maxClockRate*million):
		return fmt.Errorf("a clock does not go at the rate %d: want 1 to %d millionths", in.Rate, maxClockRate*million)
	}
	if err := in.checkMoment(); err != nil {
		return err
	}
	if in.Storm != nil {
		return in.Storm.check()
	}
	return checkOdds([]likely{{"slow disks", in.Slow}})
}

// checkMoment checks what strikes at a moment.
func (in *Injection) checkMoment() error {
	if in.When == "" {
		return nil
	}
	_, ofDisk := diskMoments[in.When]
	switch {
	case !ofDisk && !slices.Contains(moments, in.When):
		return fmt.Errorf("there is no moment %q; there are %s", in.When, strings.Join(slices.Concat(moments, diskMomentNames), ", "))
	case len(in.Nodes)+len(in.Links) > 0:
		return errors.New("it strikes at a moment, and so whom it happens to: it cannot name nodes or links")
	case ofDisk && in.Fault != FaultKill && in.Fault != FaultPower:
		return fmt.Errorf("at a moment of the disk there is %s or %s, not %s", FaultKill, FaultPower, in.Fault)
	}
	return nil
}

// planInjections has the plan's injections take place at their times, from now on.
func (w *world) planInjections(begin time.Duration) {
	for i := range w.plan.Injections {
		in := &w.plan.Injections[i]
		w.at(begin+in.At, func() {
			if in.When != "" {
				w.arm(in)
			} else if !w.calm && w.fault(Inject, Choice{Seq: uint64(in.ID)}, million, 1) > 0 {
				w.inject(in)
			}
		})
	}
}

// inject injects a fault and plans its end.
func (w *world) inject(in *Injection) {
	targets := w.targets(in)
	if len(targets) == 0 && len(in.Links) == 0 {
		return // nobody leads
	}
	w.injectOn(in, targets)
}

func (w *world) injectOn(in *Injection, targets []*simNode) {
	begin, end := w.effect(in, targets)
	if begin == nil {
		return
	}
	w.faults[in.Fault]++
	text := strings.TrimSpace(in.Fault + " " + w.describe(in, targets))
	if in.When != "" {
		text += ", when it " + in.When
	}
	w.tell(Event{At: w.now, Kind: FaultBegan, Number: uint64(in.ID), Text: text})
	begin()
	w.note(in, nemesis.PhaseInject, text, targets)
	w.onCalm = append(w.onCalm, w.once(w.now+in.For, func() {
		w.tell(Event{At: w.now, Kind: FaultEnded, Number: uint64(in.ID), Text: text})
		end()
		w.note(in, nemesis.PhaseHeal, text, targets)
	}))
}

// once has f called at a time, or before by whoever calls the function that it returns.
func (w *world) once(at time.Duration, f func()) func() {
	called := false
	g := func() {
		if !called {
			called = true
			f()
		}
	}
	w.at(at, g)
	return g
}

// targets are the nodes that an injection hurts.
func (w *world) targets(in *Injection) []*simNode {
	var nodes []*simNode
	for _, id := range in.Nodes {
		nodes = append(nodes, w.nodes[id-1])
	}
	if len(in.Nodes) == 0 && len(in.Links) == 0 {
		if leader := w.leader(); leader != nil {
			nodes = append(nodes, leader)
		}
	}
	return nodes
}

// leader is the node that leads the latest term, nil where none does.
func (w *world) leader() *simNode {
	var leader *simNode
	for _, n := range w.nodes {
		if n.process != nil && n.follow.role == raft.Leader && (leader == nil || n.follow.term > leader.follow.term) {
			leader = n
		}
	}
	return leader
}

func (w *world) describe(in *Injection, targets []*simNode) string {
	var names []string
	for _, n := range targets {
		names = append(names, n.name())
	}
	for _, l := range in.Links {
		names = append(names, fmt.Sprintf("n%d->n%d", l[0], l[1]))
	}
	return strings.Join(names, " ")
}

// effect is what an injection does and how that is undone.
func (w *world) effect(in *Injection, targets []*simNode) (begin, end func()) {
	each := func(f func(n *simNode)) func() {
		return func() {
			for _, n := range targets {
				f(n)
			}
		}
	}
	switch in.Fault {
	case FaultKill, FaultPower:
		return each(func(n *simNode) { n.hold(in.Fault == FaultPower) }), each((*simNode).release)
	case FaultPause:
		return each((*simNode).pause), each((*simNode).resume)
	case FaultPartition:
		return w.partition(in, w.linksOf(in, targets))
	case FaultStorm:
		links := w.linksOf(in, targets)
		return func() { w.storm(links, *in.Storm) }, func() { w.storm(links, NetworkPlan{}) }
	case FaultClock:
		w.coverage.Count(ClockJumps)
		return each(func(n *simNode) { n.setClock(in.Rate, in.Ahead) }), each(func(n *simNode) { n.setClock(million, 0) })
	case FaultSlowDisk:
		return each(func(n *simNode) { n.disk.slow, n.disk.slowness = in.Slow, in.Slowness }), each(func(n *simNode) { n.disk.slow, n.disk.slowness = 0, 0 })
	case FaultFailSync:
		return each(func(n *simNode) { n.disk.fails = true }), each(func(n *simNode) { n.disk.fails = false; n.bootIfDown() })
	case FaultFullDisk:
		return each(func(n *simNode) { n.disk.full = true }), each(func(n *simNode) { n.disk.full = false; n.bootIfDown() })
	case FaultDecay:
		return each(func(n *simNode) { n.hold(false); n.decay(in) }), each((*simNode).release)
	case FaultMembership:
		return w.changeMembers(in, targets)
	case FaultTransfer:
		return func() { w.transfer(in) }, func() {}
	case FaultClients:
		return w.partClients(in, targets)
	case FaultOldLeader:
		return w.ageLeader(in, targets[0])
	case FaultSuccession:
		return w.succeed(in, targets[0])
	}
	w.fail(fmt.Errorf("the plan injects %q, which is no fault", in.Fault))
	return nil, nil
}

// hold takes a node down and keeps it there; release lets it come up.
func (n *simNode) hold(power bool) {
	n.held++
	if n.process != nil {
		n.kill(power)
	}
}

func (n *simNode) release() {
	n.held--
	n.bootIfDown()
}

func (n *simNode) bootIfDown() {
	if n.process == nil && n.held == 0 && !n.world.ended() {
		n.boot()
	}
}

// pause stops a node's process where it is.
func (n *simNode) pause() {
	if n.process != nil {
		n.paused = true
	}
}

// resume lets it go on: what waits is planned anew.
func (n *simNode) resume() {
	if !n.paused {
		return
	}
	n.paused = false
	p := n.process
	p.turning, p.alarm, p.logBusy, p.snapBusy, p.leaving = false, 0, false, false, false
	n.life++ // what was planned before the pause is void
	n.turnSoon()
	n.schedule()
}

func (n *simNode) setClock(rate int64, ahead time.Duration) {
	n.clock.set(n.world.now, rate, ahead)
	if p := n.process; p != nil && !n.paused {
		p.alarm = 0
		n.schedule()
	}
}

// linksOf are the links that an injection is about.
func (w *world) linksOf(in *Injection, targets []*simNode) [][2]int {
	links := slices.Clone(in.Links)
	for _, n := range targets {
		for _, other := range w.nodes {
			if other == n || in.Ways == waysNewVoters {
				continue
			}
			if in.Ways != "in" {
				links = append(links, [2]int{int(n.id), int(other.id)})
			}
			if in.Ways != "out" {
				links = append(links, [2]int{int(other.id), int(n.id)})
			}
		}
		if in.Ways == waysNewVoters {
			links = append(links, n.aroundNewVoters()...)
		}
	}
	return links
}

// waysNewVoters has a partition be between the new voters of the target's joint configuration and all others.
const waysNewVoters = "new-voters"

func (n *simNode) aroundNewVoters() (links [][2]int) {
	c := n.follow.configuration(len(n.follow.configs))
	for _, a := range n.world.nodes {
		for _, b := range n.world.nodes {
			if c.Joint() && contains(c.Voters, a.id) && !contains(c.Voters, b.id) {
				links = append(links, [2]int{int(a.id), int(b.id)}, [2]int{int(b.id), int(a.id)})
			}
		}
	}
	return links
}

// partition cuts links, for good or again and again until its end.
func (w *world) partition(in *Injection, links [][2]int) (begin, end func()) {
	by := 0 // 1 while it cuts
	set := func(cut int) {
		for _, l := range links {
			w.links[l[0]-1][l[1]-1].cut += cut - by
		}
		by = cut
	}
	over := false
	var flap func()
	flap = func() {
		if !over {
			set(1 - by)
			w.at(w.now+in.Flaps, flap)
		}
	}
	if in.Flaps > 0 {
		return flap, func() { over = true; set(0) }
	}
	return func() { set(1) }, func() { set(0) }
}

func (w *world) storm(links [][2]int, s NetworkPlan) {
	for _, l := range links {
		w.links[l[0]-1][l[1]-1].worse = s
	}
}

// note puts a fault on record, as the nemesis of other clusters does.
func (w *world) note(in *Injection, phase, text string, targets []*simNode) {
	e := nemesis.Event{ID: in.ID, Fault: in.Fault, Mode: "drawn", Phase: phase, Text: text, Took: true, Stood: phase == nemesis.PhaseHeal,
		Start: w.now, Done: w.now, End: w.now}
	for _, n := range targets {
		e.Targets = append(e.Targets, n.name())
		e.Evidence = append(e.Evidence, n.state())
	}
	if len(targets) == 0 {
		e.Evidence = append(e.Evidence, fmt.Sprintf("%d links", len(in.Links)))
	}
	w.noteEvent(e)
}

func (w *world) noteEvent(e nemesis.Event) {
	detail, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	w.record.append(history.Event{Process: history.NemesisProcess, Type: history.Info, F: e.Fault, Detail: detail})
}

// state is what can be seen of a node, for people.
func (n *simNode) state() string {
	switch {
	case n.process == nil:
		return fmt.Sprintf("%s is down (%s)", n.name(), n.ended)
	case n.paused:
		return n.name() + " stands still"
	}
	return fmt.Sprintf("%s runs, its process number %d", n.name(), n.starts)
}
