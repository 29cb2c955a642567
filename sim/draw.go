package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/wire"
)

// Swarm says what plans are drawn from: each has faults of its own, some of them and of some strength, so that one does not
// hide what another would show (swarm testing).
type Swarm struct {
	Workload   string
	Nodes      int // 0: drawn from 3 to 7
	Operations int // of a run; 0 takes 100
	// Duration is how long clients work; then there is no limit to their operations, and 100 take as long as they would in a drawn
	// time. 0: drawn.
	Duration time.Duration
	// Weights are how likely each kind of trouble is part of a plan, in a thousand; nil takes the usual. See Steering.
	Weights Weights
}

// Weights are how likely each kind of trouble is part of a plan, in a thousand.
type Weights [troubles]int

// trouble is a kind of trouble that a plan may have.
type trouble int

const (
	troubleLoss trouble = iota
	troubleSlow
	troubleRepeat
	troubleOvertake
	troubleBreaks
	troubleTornWork
	troubleFailedWork
	troubleSlowDisk
	troubleBatches
	troubleKill
	troublePower
	troublePause
	troublePartition
	troubleFlap
	troubleStorm
	troubleClock
	troubleDisk
	troubleMembership
	troubleTransfer
	troubleMoment    // faults at a moment of a node's life
	troubleOldLeader // leaders that lead on though others lead
	troubleHang      // disks that stand still, most of all of a node that is cut off
	troubleEarly     // faults from the very start, before there is a leader
	troubleHurry     // many operations in little time

	// Those that follow are drawn last of all: a plan without them is what it was before there were any.
	troubleSuccession  // leaders that follow one another, and one that comes back
	troubleSplitChange // changes of members that part the new voters from the others
	troubles           // how many there are
)

// UsualWeights are those of a campaign that knows nothing yet.
func UsualWeights() Weights {
	var w Weights
	for i := range w {
		w[i] = 350
	}
	w[troublePower], w[troublePartition], w[troubleTornWork] = 600, 600, 500
	w[troubleEarly], w[troubleSuccession], w[troubleSplitChange] = 200, 120, 120
	return w
}

// Draw draws the plan of a seed. The same arguments give the same plan.
func (s Swarm) Draw(seed uint64) Plan {
	d := drawing{Rand: rand.New(rand.NewPCG(seed, 0x737761726d)), swarm: s}
	if s.Weights == (Weights{}) {
		d.swarm.Weights = UsualWeights()
	}
	for i := range troubleSuccession {
		d.has[i] = d.IntN(1000) < d.swarm.Weights[i]
	}
	if d.IntN(20) == 0 {
		d.has = Troubles{} // a run in peace
	}
	p := Plan{Seed: seed, Weights: d.swarm.Weights.String(), Workload: s.Workload, Nodes: s.Nodes, Operations: s.Operations}
	if p.Nodes == 0 {
		p.Nodes = []int{3, 3, 4, 5, 5, 5, 7}[d.IntN(7)]
	}
	if p.Operations == 0 {
		p.Operations = 100
	}
	p.Workers = 2 + d.IntN(6)
	d.node(&p.Node)
	d.client(&p)
	p.FaultsFirst = d.has[troubleEarly]
	p.Duration = p.Node.ElectionTimeout * time.Duration(10+d.IntN(30))
	if d.has[troubleHurry] {
		p.Duration = p.Node.ElectionTimeout * time.Duration(3+d.IntN(7))
		if d.has[troubleOldLeader] {
			p.Duration += p.Node.ElectionTimeout * time.Duration(d.IntN(6)) // to become one takes its time
		}
	}
	p.Rate = float64(p.Operations) / p.Duration.Seconds()
	if s.Duration > 0 {
		p.Duration, p.Operations = s.Duration, 0
	}
	p.Timeout = p.Node.ElectionTimeout * time.Duration(2+d.IntN(6))
	if d.has[troubleOldLeader] { // who writes there waits until then, and reads nothing meanwhile
		p.Workers += d.IntN(9)
		p.Timeout = d.between(p.Node.ElectionTimeout/2, 4*p.Node.ElectionTimeout)
	}
	p.Troubles = d.has
	d.network(&p)
	d.disk(&p)
	d.injections(&p)
	d.last(&p, d.has == Troubles{})
	return p
}

// last draws what came to the simulator last.
func (d *drawing) last(p *Plan, inPeace bool) {
	if p.Client.Sessions && d.IntN(3) == 0 {
		p.Node.Sessions = 1 + d.IntN(2*p.Workers) // so few that sessions in use have to go
	}
	for _, t := range []struct {
		trouble trouble
		draw    func(p *Plan)
	}{{troubleSuccession, d.succession}, {troubleSplitChange, d.splitChange}} {
		if d.IntN(1000) < d.swarm.Weights[t.trouble] && !inPeace && p.Nodes >= 5 {
			p.Troubles[t.trouble] = true
			t.draw(p)
		}
	}
}

type drawing struct {
	*rand.Rand
	swarm Swarm
	has   Troubles
}

// between draws a time, the short ones as often as the long ones.
func (d *drawing) between(low, high time.Duration) time.Duration {
	return time.Duration(float64(low) * math.Pow(float64(high)/float64(low), d.Float64())).Truncate(time.Microsecond)
}

// odds draws a likelihood in a million, likewise, or 0 where the plan has not that trouble.
func (d *drawing) odds(t trouble, low, high int) uint32 {
	if !d.has[t] {
		return 0
	}
	return uint32(d.between(time.Duration(low)*time.Millisecond, time.Duration(high)*time.Millisecond) / time.Millisecond)
}

func (d *drawing) node(n *NodePlan) {
	n.ElectionTimeout = d.between(80*time.Millisecond, 400*time.Millisecond)
	n.Heartbeat = n.ElectionTimeout / time.Duration(3+d.IntN(4))
	n.PreVote, n.CheckQuorum = d.IntN(3) > 0, d.IntN(3) > 0
	if d.has[troubleOldLeader] {
		n.CheckQuorum = d.IntN(2) > 0 // without it an old leader leads on for ever
	}
	n.SnapshotEntries = []uint64{0, 1, 3, 5, 7, 15, 40, 100}[d.IntN(8)]
	n.SegmentSize = []int64{512, 1024, 4096, 4096, 16 << 10}[d.IntN(5)]
	n.ChunkBytes = []int{64, 200, 1000, 16 << 10}[d.IntN(4)]
}

func (d *drawing) client(p *Plan) {
	c := &p.Client
	c.Find = []client.Find{client.Redirect, client.Redirect, client.Poll, client.HealthCheck}[d.IntN(4)]
	c.Sessions = d.IntN(2) == 0
	c.Reads = []wire.Consistency{wire.ReadIndex, wire.ReadIndex, wire.ReadIndex, wire.ThroughLog, wire.Lease, wire.Lease}[d.IntN(6)]
	if c.Reads == wire.Lease {
		p.Node.CheckQuorum, p.Node.ClockDrift = true, 0.05+float64(0.45*d.Float64()) // rounded before the sum, or a machine that fuses the two draws another number
		if d.IntN(2) == 0 {
			p.Node.ClockDrift /= 10 // a lease is nearly as long as an election timeout
		}
		if d.has != (Troubles{}) && d.IntN(2) == 0 {
			d.has[troubleOldLeader] = true // what is wrong with a lease only an old leader shows
		}
		if (d.has[troubleTransfer] || d.has[troubleOldLeader]) && d.IntN(4) > 0 {
			d.has[troubleHurry] = true // what a lease allows too long it allows for part of an election timeout: much has to happen in that
		}
	}
	c.Breaks = d.odds(troubleBreaks, 1000, 100_000)
}

func (d *drawing) network(p *Plan) {
	n := &p.Network
	n.Delay = d.between(50*time.Microsecond, p.Node.Heartbeat/8)
	n.Jitter = d.between(n.Delay/4+1, 2*n.Delay+2)
	n.Encoded = d.IntN(8) == 0
	d.storm(n, p.Node.ElectionTimeout, 1)
	if d.IntN(3) == 0 {
		d.flood(n)
	}
}

// storm draws what messages suffer.
func (d *drawing) storm(n *NetworkPlan, election time.Duration, times int) {
	n.Loss = d.odds(troubleLoss, 1000*times, 60_000*times)
	n.Slow = d.odds(troubleSlow, 1000*times, 100_000*times)
	n.Repeat = d.odds(troubleRepeat, 1000*times, 60_000*times)
	n.Overtake = d.odds(troubleOvertake, 10_000*times, 200_000*times)
	n.Slowness = d.between(election/10, 4*election)
	n.Unordered = d.has[troubleOvertake] && d.IntN(3) == 0
}

func (d *drawing) disk(p *Plan) {
	k := &p.Disk
	k.SyncTime = d.between(50*time.Microsecond, p.Node.Heartbeat/4)
	k.PowerLoss = d.odds(troubleTornWork, 500, 20_000)
	k.Failure = d.odds(troubleFailedWork, 500, 10_000)
	k.Slow = d.odds(troubleSlowDisk, 1000, 100_000)
	k.Slowness = d.between(p.Node.Heartbeat, 3*p.Node.ElectionTimeout)
	if d.has[troubleBatches] {
		k.TurnTime = d.between(50*time.Microsecond, p.Node.Heartbeat/4)
	}
}

// injections draws the faults that are injected, most of them in groups, with calm between.
func (d *drawing) injections(p *Plan) {
	var kinds []func(p *Plan, at time.Duration)
	single := func(draw func(*Plan, *Injection) bool) func(p *Plan, at time.Duration) {
		return func(p *Plan, at time.Duration) {
			in := Injection{At: at, For: d.between(p.Node.ElectionTimeout/4, 8*p.Node.ElectionTimeout)}
			if draw(p, &in) {
				d.add(p, in)
			}
		}
	}
	for _, k := range []struct {
		trouble trouble
		draw    func(p *Plan, at time.Duration)
	}{
		{troubleKill, single(d.kill)}, {troublePower, single(d.power)}, {troublePause, single(d.pause)}, {troublePartition, single(d.partition)},
		{troubleFlap, single(d.flap)}, {troubleStorm, single(d.stormOnLinks)}, {troubleClock, single(d.clock)}, {troubleDisk, single(d.badDisk)},
		{troubleMembership, d.memberships}, {troubleTransfer, d.transfers}, {troubleMoment, single(d.atMoment)}, {troubleOldLeader, d.oldLeader},
		{troubleHang, d.hang},
	} {
		if d.has[k.trouble] {
			kinds = append(kinds, k.draw)
		}
	}
	if len(kinds) == 0 {
		return
	}
	election := p.Node.ElectionTimeout
	at, pause := d.between(election/4, 4*election), 8*election
	if d.has[troubleHurry] {
		at, pause = d.between(election/8, election), 3*election
	}
	if p.FaultsFirst {
		at = time.Duration(d.Int64N(int64(2 * election)))
		if d.IntN(2) == 0 { // the very first leader is cut off with what it alone has in its log
			d.add(p, Injection{For: d.between(election, 8*election), Fault: FaultPartition, When: MomentLeads})
		}
	}
	for at < p.Duration {
		for range 1 + d.IntN(3) {
			kinds[d.IntN(len(kinds))](p, at)
			at += time.Duration(d.Int64N(int64(election)))
		}
		at += d.between(election/2, pause)
	}
}

// add adds an injection to the plan.
func (d *drawing) add(p *Plan, in Injection) {
	in.ID = len(p.Injections) + 1
	p.Injections = append(p.Injections, in)
}

// some draws nodes: often one, at times the leader (nobody in particular), at times any number of them.
func (d *drawing) some(p *Plan) []int {
	switch d.IntN(4) {
	case 0:
		return nil
	case 1:
		return d.drawNodes(p, 1+d.IntN(p.Nodes))
	}
	return d.drawNodes(p, 1)
}

func (d *drawing) drawNodes(p *Plan, n int) []int {
	nodes := d.Perm(p.Nodes)[:n]
	for i := range nodes {
		nodes[i]++
	}
	slices.Sort(nodes)
	return nodes
}

func (d *drawing) kill(p *Plan, in *Injection) bool {
	in.Fault, in.Nodes = FaultKill, d.some(p)
	return true
}

func (d *drawing) power(p *Plan, in *Injection) bool {
	in.Fault, in.Nodes = FaultPower, d.some(p)
	if d.IntN(5) == 0 { // the whole house
		in.Nodes = d.drawNodes(p, p.Nodes)
	}
	return true
}

func (d *drawing) pause(p *Plan, in *Injection) bool {
	in.Fault, in.Nodes = FaultPause, d.some(p)
	return true
}

// partition draws two sides, or a bridge, or links one by one, or the leader alone; both ways or one.
func (d *drawing) partition(p *Plan, in *Injection) bool {
	in.Fault = FaultPartition
	in.Ways = []string{"", "", "out", "in"}[d.IntN(4)]
	switch d.IntN(5) {
	case 0: // the leader alone
		return true
	case 1:
		for a := range p.Nodes {
			for b := range p.Nodes {
				if a != b && d.IntN(3) == 0 {
					in.Links = append(in.Links, [2]int{a + 1, b + 1})
				}
			}
		}
		return len(in.Links) > 0
	}
	order := d.Perm(p.Nodes)
	bridge := d.IntN(4) == 0 && p.Nodes > 2
	size := 1 + d.IntN(p.Nodes-1)
	for i, a := range order {
		for j, b := range order {
			if (i < size) == (j < size) || bridge && (i == p.Nodes-1 || j == p.Nodes-1) {
				continue
			}
			if in.Ways == "" || (in.Ways == "out") == (i < size) {
				in.Links = append(in.Links, [2]int{a + 1, b + 1})
			}
		}
	}
	return len(in.Links) > 0
}

func (d *drawing) flap(p *Plan, in *Injection) bool {
	in.Flaps = d.between(p.Node.Heartbeat/2, 2*p.Node.ElectionTimeout)
	return d.partition(p, in)
}

func (d *drawing) stormOnLinks(p *Plan, in *Injection) bool {
	in.Fault, in.Nodes = FaultStorm, d.some(p)
	in.Ways = []string{"", "out", "in"}[d.IntN(3)]
	in.Storm = &NetworkPlan{}
	d.storm(in.Storm, p.Node.ElectionTimeout, 4)
	d.flood(in.Storm)
	return true
}

// flood has most messages of a storm come twice, at times.
func (d *drawing) flood(n *NetworkPlan) {
	if d.has[troubleRepeat] && d.IntN(2) == 0 {
		n.Repeat = uint32(300_000 + d.IntN(700_000))
	}
}

// clock draws a clock's rate, within the bound where leases count on one, or any, and a jump.
func (d *drawing) clock(p *Plan, in *Injection) bool {
	in.Fault, in.Nodes = FaultClock, d.some(p)
	if drift := p.Node.ClockDrift; drift > 0 {
		in.Rate = million + int64((2*d.Float64()-1)*0.9*drift*million)
		return true
	}
	in.Rate = int64(million * math.Pow(8, 2*d.Float64()-1))
	if d.IntN(2) == 0 {
		in.Ahead = d.between(p.Node.Heartbeat, 10*p.Node.ElectionTimeout)
	}
	return true
}

func (d *drawing) badDisk(p *Plan, in *Injection) bool {
	in.Fault, in.Nodes = []string{FaultSlowDisk, FaultFailSync, FaultFullDisk, FaultDecay, FaultDecay}[d.IntN(5)], d.some(p)
	in.Slow, in.Slowness = uint32(100_000+d.IntN(900_000)), d.between(p.Node.Heartbeat, 2*p.Node.ElectionTimeout)
	return true
}

func (d *drawing) membership(p *Plan, in *Injection) bool {
	in.Fault = FaultMembership
	if p.Nodes < 3 {
		return false
	}
	if d.IntN(3) > 0 {
		in.Nodes = d.drawNodes(p, 1+d.IntN(p.Nodes-2))
	}
	in.For = d.between(p.Node.ElectionTimeout, 12*p.Node.ElectionTimeout)
	return true
}

// memberships draws one change, or a few close together.
func (d *drawing) memberships(p *Plan, at time.Duration) {
	for range 1 + d.IntN(3)/2*(1+d.IntN(2)) {
		in := Injection{At: at, Old: d.IntN(3) == 0}
		if d.membership(p, &in) {
			d.add(p, in)
		}
		at += time.Duration(d.Int64N(int64(2 * p.Node.ElectionTimeout)))
	}
}

// transfers draws a transfer, and at times a change of members about it, or that the leader does not hear of its heir.
func (d *drawing) transfers(p *Plan, at time.Duration) {
	election := p.Node.ElectionTimeout
	d.add(p, Injection{At: at, For: time.Millisecond, Fault: FaultTransfer, Old: d.IntN(2) == 0})
	if d.has[troubleMembership] && d.IntN(2) == 0 {
		in := Injection{At: max(0, at-time.Duration(d.Int64N(int64(election))))}
		if d.membership(p, &in) {
			in.For = d.between(election/4, 2*election) // back in soon: it is a learner when leadership goes over
			d.add(p, in)
			d.add(p, Injection{At: in.At + in.For + time.Duration(d.Int64N(int64(election))), For: time.Millisecond, Fault: FaultTransfer, Old: true})
		}
	}
	if d.IntN(4) > 0 {
		d.add(p, Injection{At: at, For: d.between(election/2, 4*election), Fault: FaultPartition, Ways: "in", When: MomentHandsOver})
		d.apart(p, Injection{At: at, When: MomentHandsOver})
	}
}

// apart has some clients turn to other nodes than the one that is hurt, while others stay there: what these read may be older than what
// those have written.
func (d *drawing) apart(p *Plan, in Injection) {
	in.For, in.Fault, in.Workers = d.between(p.Node.ElectionTimeout, 8*p.Node.ElectionTimeout), FaultClients, uint64(0x5555_5555_5555_5555)<<d.IntN(2)
	in.Ways = []string{"", "in", "in"}[d.IntN(3)]
	d.add(p, in)
}

// atMoment draws a fault at a moment of a node's life.
func (d *drawing) atMoment(p *Plan, in *Injection) bool {
	in.Nth = 1 + d.IntN(4)*d.IntN(4)
	if d.IntN(2) == 0 {
		in.When = diskMomentNames[d.IntN(len(diskMomentNames))]
		in.Fault = []string{FaultPower, FaultPower, FaultKill}[d.IntN(3)]
		in.Ways = []string{"", waysAfter}[d.IntN(2)]
		in.Nth += d.IntN(3) * d.IntN(10)
		return true
	}
	in.When = moments[d.IntN(len(moments))]
	if d.IntN(3) == 0 {
		in.When = []string{MomentLeads, MomentStands}[d.IntN(2)]
	}
	switch d.IntN(7) {
	case 0:
		in.Fault = FaultKill
	case 1:
		in.Fault = FaultPower
	case 2:
		in.Fault = FaultPause
	case 3, 4:
		in.Fault, in.Ways = FaultPartition, []string{"", "", "out", "in"}[d.IntN(4)]
	case 5:
		in.Fault, in.Slow, in.Slowness = FaultSlowDisk, million, d.between(p.Node.ElectionTimeout, 8*p.Node.ElectionTimeout)
	case 6:
		in.Fault = FaultStorm
		in.Ways = []string{"", "out", "in"}[d.IntN(3)]
		in.Storm = &NetworkPlan{}
		d.storm(in.Storm, p.Node.ElectionTimeout, 4)
		d.flood(in.Storm)
	}
	if d.IntN(4) == 0 {
		in.For = p.Duration // to the end
	}
	return true
}

// oldLeader draws a leader that leads on, with clocks apart where leases count on them, at times with a change of members that it begins
// then and that nobody hears of.
func (d *drawing) oldLeader(p *Plan, at time.Duration) {
	election := p.Node.ElectionTimeout
	in := Injection{At: at, For: d.between(2*election, 16*election), Fault: FaultOldLeader, Slowness: time.Duration(d.Int64N(int64(4 * election)))}
	switch d.IntN(5) {
	case 0:
		in.Fault, in.Slowness = FaultPartition, 0
	case 1:
		in.Slowness = 0
	}
	in.For += in.Slowness
	if drift := p.Node.ClockDrift; drift > 0 && in.Fault == FaultOldLeader && d.IntN(3) > 0 {
		in.Rate = million + int64(0.98*drift*million)
		if d.IntN(3) > 0 {
			in.Slowness = 0 // late answers shorten a lease
		}
	}
	if in.Fault == FaultOldLeader {
		d.company(p, &in)
	} else if d.IntN(3) > 0 {
		d.apart(p, Injection{At: at + time.Duration(d.Int64N(int64(election)))})
	}
	d.add(p, in)
	if d.has[troubleMembership] && d.IntN(2) == 0 {
		change := Injection{At: at + time.Duration(d.Int64N(int64(2*election))), Old: true}
		if d.membership(p, &change) {
			d.add(p, change)
		}
	}
}

// company draws who has to do with an old leader: at times a server that does not hear it, while others do and stand by it until they start
// again; and that some clients turn away when it is cut off.
func (d *drawing) company(p *Plan, in *Injection) {
	if d.IntN(5) < 2 {
		in.Deaf = 1 + d.IntN(p.Nodes-1)
		in.Restart = d.IntN(2) == 0
		in.Slowness = p.Node.ElectionTimeout/8 + time.Duration(d.Int64N(int64(p.Node.ElectionTimeout/2))) // within a lease
		if in.Restart {
			in.Slowness = 0 // a lease is to last beyond the start
		}
		in.For += 2 * p.Node.ElectionTimeout
	}
	if d.IntN(4) > 0 {
		in.Workers, in.Ways = uint64(0x5555_5555_5555_5555)<<d.IntN(2), []string{"", "in", "in"}[d.IntN(3)]
	}
}

// hang draws a disk that stands still, at times of a leader that is cut off meanwhile.
func (d *drawing) hang(p *Plan, at time.Duration) {
	election := p.Node.ElectionTimeout
	in := Injection{At: at, For: d.between(election, 8*election), Fault: FaultSlowDisk, Nodes: d.some(p), Slow: million, Slowness: d.between(election, 10*election)}
	d.add(p, in)
	if d.IntN(3) > 0 {
		d.add(p, Injection{At: at + time.Duration(d.Int64N(int64(election/2))), For: d.between(election, 5*election), Fault: FaultPartition, Nodes: in.Nodes})
	}
}
