package sim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/node"
)

// cluster is the simulated cluster as the nemesis of other clusters sees it. What it says of itself is what is so.
type cluster struct {
	world *world
	cut   []nemesis.Link // by Cut
	data  []nemesis.Link // by CutData
	shape map[nemesis.Link]*shaped
}

var (
	_ nemesis.World        = &cluster{}
	_ nemesis.Members      = &cluster{}
	_ nemesis.Pauser       = &cluster{}
	_ nemesis.DataCutter   = &cluster{}
	_ nemesis.ClientCutter = &cluster{}
	_ nemesis.Packets      = &cluster{}
	_ nemesis.Clocks       = &cluster{}
	_ nemesis.Disks        = &cluster{}
	_ nemesis.Logs         = &cluster{}
	_ nemesis.Containers   = &cluster{}
)

// Abilities are what a simulated cluster can do beside nemesis.World.
func Abilities() nemesis.Abilities { return nemesis.AbilitiesOf(&cluster{}) }

// method is how evidence was come by.
const method = "simulated"

// Nodes implements nemesis.World.
func (c *cluster) Nodes() []string { return c.world.names }

func (c *cluster) node(name string) (*simNode, error) {
	i := slices.Index(c.world.names, name)
	if i < 0 {
		return nil, fmt.Errorf("there is no node %q", name)
	}
	return c.world.nodes[i], nil
}

// link is the world's link of that name, nil where there is none.
func (c *cluster) link(l nemesis.Link) *link {
	from, to := slices.Index(c.world.names, l.From), slices.Index(c.world.names, l.To)
	if from < 0 || to < 0 {
		return nil
	}
	return &c.world.links[from][to]
}

// recut moves a cut from some links to others.
func (c *cluster) recut(before, now []nemesis.Link, change func(l *link, by int)) error {
	for _, l := range now {
		if c.link(l) == nil {
			return fmt.Errorf("there is no link %s->%s", l.From, l.To)
		}
	}
	for _, l := range before {
		change(c.link(l), -1)
	}
	for _, l := range now {
		change(c.link(l), 1)
	}
	return nil
}

// Cut implements nemesis.Network.
func (c *cluster) Cut(_ context.Context, links []nemesis.Link) error {
	err := c.recut(c.cut, links, func(l *link, by int) { l.cut += by; l.stopped = 0 })
	if err == nil {
		c.cut = slices.Clone(links)
	}
	return err
}

// CutData implements nemesis.DataCutter: the messages that bring entries and snapshots are stopped, and those that begin
// something; the answers pass.
func (c *cluster) CutData(_ context.Context, links []nemesis.Link) error {
	err := c.recut(c.data, links, func(l *link, by int) { l.dataCut += by })
	if err == nil {
		c.data = slices.Clone(links)
	}
	return err
}

// Probe implements nemesis.Network. It takes as long as a message.
func (c *cluster) Probe(ctx context.Context, links []nemesis.Link) ([]nemesis.Probe, error) {
	var probes []nemesis.Probe
	for _, l := range links {
		w := c.link(l)
		if w == nil {
			return nil, fmt.Errorf("there is no link %s->%s", l.From, l.To)
		}
		probes = append(probes, nemesis.Probe{Link: l, Crossed: w.cut == 0 && w.dataCut == 0, Stopped: w.stopped, Unit: "messages", Method: method})
	}
	return probes, clock{c.world}.Sleep(ctx, c.world.plan.Network.Delay)
}

// CutClients implements nemesis.ClientCutter.
func (c *cluster) CutClients(_ context.Context, nodes []string) error {
	for _, name := range nodes {
		if _, err := c.node(name); err != nil {
			return err
		}
	}
	for _, n := range c.world.nodes {
		n.hidden = slices.Contains(nodes, n.name())
	}
	return nil
}

// ProbeClients implements nemesis.ClientCutter.
func (c *cluster) ProbeClients(_ context.Context, nodes []string) ([]nemesis.Probe, error) {
	var probes []nemesis.Probe
	for _, name := range nodes {
		n, err := c.node(name)
		if err != nil {
			return nil, err
		}
		probes = append(probes, nemesis.Probe{Link: nemesis.Link{From: nemesis.Clients, To: name}, Crossed: !n.hidden, Method: method})
	}
	return probes, nil
}

// Kill implements nemesis.Processes.
func (c *cluster) Kill(_ context.Context, name string) error {
	n, err := c.node(name)
	if err == nil && n.process == nil {
		err = fmt.Errorf("%s is down already (%s)", name, n.ended)
	}
	if err != nil {
		return err
	}
	n.held = 1
	n.kill(false)
	return nil
}

// Start implements nemesis.Processes.
func (c *cluster) Start(_ context.Context, name string) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	n.held = 0
	n.bootIfDown()
	return nil
}

// Process implements nemesis.Processes.
func (c *cluster) Process(_ context.Context, name string) (nemesis.ProcessState, error) {
	n, err := c.node(name)
	if err != nil {
		return nemesis.ProcessState{}, err
	}
	return nemesis.ProcessState{Running: n.process != nil, PID: int(n.starts), Starts: int(n.starts), Ended: n.ended, Paused: n.paused}, nil
}

// Pause implements nemesis.Pauser.
func (c *cluster) Pause(_ context.Context, name string) error {
	n, err := c.node(name)
	if err == nil && n.process == nil {
		err = fmt.Errorf("%s is down (%s)", name, n.ended)
	}
	if err != nil {
		return err
	}
	n.pause()
	return nil
}

// Resume implements nemesis.Pauser.
func (c *cluster) Resume(_ context.Context, name string) error {
	n, err := c.node(name)
	if err == nil {
		n.resume()
	}
	return err
}

// Membership implements nemesis.Members.
func (c *cluster) Membership(_ context.Context, name string) (nemesis.Membership, error) {
	n, err := c.node(name)
	if err != nil {
		return nemesis.Membership{}, err
	}
	if n.process == nil || n.paused {
		return nemesis.Membership{}, fmt.Errorf("%s does not answer", name)
	}
	st, _ := n.process.Driver().Brief()
	return nemesis.Membership{Leads: st.Role.String() == "leader", Term: st.Term, Voters: c.world.namesOf(st.Configuration.Voters),
		Learners: c.world.namesOf(st.Configuration.Learners), Joint: st.Configuration.Joint()}, nil
}

// changePatience is how long the answer to a change is waited for; without one it is under way.
const changePatience = 500 * time.Millisecond

// ChangeMembers implements nemesis.Members.
func (c *cluster) ChangeMembers(ctx context.Context, add, remove []string) error {
	q := node.MembersRequest{Add: map[string]string{}}
	for _, name := range add {
		n, err := c.node(name)
		if err != nil {
			return err
		}
		q.Add[strconv.Itoa(int(n.id))] = n.name() + ":7000"
	}
	for _, name := range remove {
		n, err := c.node(name)
		if err != nil {
			return err
		}
		q.Remove = append(q.Remove, n.id)
	}
	return c.onLeader(ctx, func(d *node.Driver, done func(error)) {
		st, _ := d.Brief()
		target, err := q.Target(st.Configuration)
		if err != nil {
			done(err)
			return
		}
		d.ChangeMembers(target, done)
	})
}

// TransferLeadership implements nemesis.Members.
func (c *cluster) TransferLeadership(ctx context.Context, to string) error {
	n, err := c.node(to)
	if err != nil {
		return err
	}
	return c.onLeader(ctx, func(d *node.Driver, done func(error)) { done(d.TransferLeadership(n.id)) })
}

// onLeader has who leads do something in its turn, and waits for what comes of it.
func (c *cluster) onLeader(ctx context.Context, ask func(d *node.Driver, done func(error))) error {
	w := c.world
	leader := w.leader()
	if leader == nil {
		return fmt.Errorf("no node says that it leads")
	}
	waiter := w.current
	var answered bool
	var answer error
	leader.process.Do(func(d *node.Driver) {
		ask(d, func(err error) {
			if !answered {
				answered, answer = true, err
				w.wakeUp(waiter)
			}
		})
	})
	leader.turnSoon()
	for deadline := w.now + changePatience; !answered && w.now < deadline && w.over(ctx) == nil; {
		w.parkUntil(deadline)
	}
	if !answered {
		answered = true // nobody is woken any more
		return nil
	}
	return answer
}

// shaped is a link's shape, and what came of it.
type shaped struct {
	shape nemesis.Shape
	sent  uint64 // messages when it was shaped
}

// ShapeLinks implements nemesis.Packets.
func (c *cluster) ShapeLinks(_ context.Context, links []nemesis.ShapedLink) error {
	for _, l := range links {
		if c.link(l.Link) == nil {
			return fmt.Errorf("there is no link %s->%s", l.From, l.To)
		}
	}
	for l := range c.shape { // each for itself: the order does not matter
		c.link(l).worse = NetworkPlan{}
	}
	c.shape = map[nemesis.Link]*shaped{}
	for _, l := range links {
		w := c.link(l.Link)
		c.shape[l.Link] = &shaped{l.Shape, w.sent}
		w.worse = worsen(l.Shape)
		w.counts = counts{}
	}
	return nil
}

// worsen is what a shape does to a link, in the terms of this package.
func worsen(s nemesis.Shape) NetworkPlan {
	perMillion := func(share float64) uint32 { return uint32(share * million) }
	p := NetworkPlan{Delay: max(0, s.Delay-s.Jitter), Jitter: 2 * s.Jitter, Loss: perMillion(s.Loss), Repeat: perMillion(s.Duplicate),
		Overtake: perMillion(s.Reorder), Unordered: s.Jitter > 0, Slowness: time.Millisecond}
	if s.Rate > 0 {
		p.PerByte = time.Second / time.Duration(s.Rate)
	}
	return p
}

// Shaped implements nemesis.Packets.
func (c *cluster) Shaped(_ context.Context, links []nemesis.Link) ([]nemesis.Shaped, error) {
	var results []nemesis.Shaped
	for _, l := range links {
		w := c.link(l)
		if w == nil {
			return nil, fmt.Errorf("there is no link %s->%s", l.From, l.To)
		}
		r := nemesis.Shaped{Link: l, Unit: "messages", Method: method}
		if s := c.shape[l]; s != nil {
			r.Shape, r.Passed = s.shape, w.sent-s.sent-w.counts.lost
			r.Delayed, r.Lost, r.Duplicated, r.Reordered, r.Limited = w.counts.delayed, w.counts.lost, w.counts.repeated, w.counts.overtaken, w.counts.limited
		}
		results = append(results, r)
	}
	return results, nil
}

// SetClock implements nemesis.Clocks. The nodes use monotonic time alone: an offset of the wall clock shows where it is read.
func (c *cluster) SetClock(_ context.Context, name string, s nemesis.ClockSetting) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	w := wallClock{set: true, since: c.world.now, rate: million, offset: s.Offset, strobe: s.Strobe}
	if s.Rate != 0 {
		w.rate = int64(s.Rate * million)
	}
	n.wall = w
	n.setClock(w.rate, 0)
	return nil
}

// ReadClock implements nemesis.Clocks.
func (c *cluster) ReadClock(_ context.Context, name string) (nemesis.ClockReading, error) {
	n, err := c.node(name)
	if err != nil {
		return nemesis.ClockReading{}, err
	}
	now := c.world.now
	return nemesis.ClockReading{Wall: epoch.Add(n.wall.at(now)), Monotonic: n.clock.at(now), TrueWall: epoch.Add(now), TrueMonotonic: now, Method: method}, nil
}
