package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fakeClock moves only when somebody sleeps or works on it.
type fakeClock struct {
	now time.Duration
	at  map[time.Duration]func() // called when the clock reaches the time
}

func (c *fakeClock) Now() time.Duration { return c.now }

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	end := c.now + max(d, 0)
	for t, f := range c.at {
		if t <= end {
			c.now = max(c.now, t)
			delete(c.at, t)
			f()
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	c.now = end
	return ctx.Err()
}

// modelWorld is a cluster in memory. It really keeps links and processes, and each call takes a millisecond. With breakage
// it misbehaves in one scripted way.
type modelWorld struct {
	clock    *fakeClock
	nodes    []string
	cut      map[Link]uint64 // cut links with the packets dropped since
	clocks   map[string]*modelClock
	shapes   map[Link]*Shaped
	data     []Link   // cut for data alone
	deaf     []string // nodes that clients do not reach
	process  map[string]ProcessState
	voters   []string
	learners []string
	leader   string
	term     uint64
	nextPID  int
	disks    map[string]*modelDisk
	breakage string
	calls    []string
	hopeless []string // transfers to nodes that the leader does not reach
}

func newModelWorld(clock *fakeClock, nodes []string, breakage string) *modelWorld {
	w := &modelWorld{clock: clock, nodes: nodes, voters: slices.Clone(nodes), clocks: map[string]*modelClock{}, shapes: map[Link]*Shaped{}, cut: map[Link]uint64{}, process: map[string]ProcessState{}, nextPID: 100, breakage: breakage}
	for _, node := range nodes {
		w.nextPID++
		w.process[node] = ProcessState{Running: true, PID: w.nextPID, Starts: 1}
	}
	return w
}

func (w *modelWorld) broken(how string) bool { return w.breakage == how }

func (w *modelWorld) call(ctx context.Context, format string, args ...any) error {
	w.clock.now += time.Millisecond
	defer w.live()
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
	return ctx.Err()
}

func (w *modelWorld) Nodes() []string { return w.nodes }

func (w *modelWorld) Cut(ctx context.Context, links []Link) error {
	if err := w.call(ctx, "cut %s", linkWords(links)); err != nil {
		return err
	}
	healing := len(links) < len(w.cut)
	switch {
	case w.broken("cut fails") && len(links) > 0:
		return errors.New("operation not permitted")
	case w.broken("cut does nothing") && !healing, w.broken("heal does nothing") && healing:
		return nil
	case w.broken("cut forgets a link") && len(links) > 0:
		links = links[1:]
	case w.broken("cut cuts all") && len(links) > 0:
		links = allLinks(w.nodes)
	}
	w.cut = map[Link]uint64{}
	for _, l := range links {
		w.cut[l] = 0
	}
	return nil
}

func (w *modelWorld) Probe(ctx context.Context, links []Link) ([]Probe, error) {
	if err := w.call(ctx, "probe"); err != nil {
		return nil, err
	}
	probes := make([]Probe, len(links))
	for i, l := range links {
		probes[i] = Probe{Link: l, Method: "model", Unit: "packets"}
		if w.broken("probe fails") {
			probes[i].Error = "no route to host"
			continue
		}
		w.feel(l)
		dropped, isCut := w.cut[l]
		if slices.Contains(w.data, l) {
			probes[i].Stopped = 1
			continue
		}
		if isCut {
			dropped++
			w.cut[l] = dropped
		}
		probes[i].Crossed, probes[i].Stopped = !isCut, dropped
	}
	return probes, nil
}

func (w *modelWorld) Kill(ctx context.Context, node string) error {
	if err := w.call(ctx, "kill %s", node); err != nil {
		return err
	}
	if w.broken("nothing is synced") {
		w.write(node)
	}
	s := w.process[node]
	if !s.Running {
		return fmt.Errorf("%s does not run", node)
	}
	if w.broken("kill does nothing") {
		return nil
	}
	s.Running, s.Paused, s.Ended = false, false, "signal: killed"
	w.process[node] = s
	if w.broken("kill reports an error") {
		return errors.New("connection to the agent lost")
	}
	if w.broken("killed process is restarted") {
		return w.Start(ctx, node)
	}
	return nil
}

func (w *modelWorld) Start(ctx context.Context, node string) error {
	if err := w.call(ctx, "start %s", node); err != nil {
		return err
	}
	s := w.process[node]
	if s.Running {
		return fmt.Errorf("%s runs already", node)
	}
	if w.broken("start fails") {
		return errors.New("address already in use")
	}
	w.nextPID++
	s.Running, s.PID, s.Starts, s.Ended = true, w.nextPID, s.Starts+1, ""
	if w.broken("process dies at start") {
		s.Running, s.Ended = false, "exit status 1"
	}
	w.process[node] = s
	w.startOver(node)
	return nil
}

func (w *modelWorld) Pause(ctx context.Context, node string) error  { return w.pause(ctx, node, true) }
func (w *modelWorld) Resume(ctx context.Context, node string) error { return w.pause(ctx, node, false) }

func (w *modelWorld) pause(ctx context.Context, node string, paused bool) error {
	if err := w.call(ctx, "pause %s %v", node, paused); err != nil {
		return err
	}
	s := w.process[node]
	if w.broken("pause does nothing") && paused || w.broken("resume does nothing") && !paused {
		return nil
	}
	s.Paused = paused && s.Running
	w.process[node] = s
	return nil
}

func (w *modelWorld) KillContainer(ctx context.Context, node string) error { return w.Kill(ctx, node) }

func (w *modelWorld) StartContainer(ctx context.Context, node string) error {
	return w.Start(ctx, node)
}

func (w *modelWorld) CutData(ctx context.Context, links []Link) error {
	if err := w.call(ctx, "cut data %s", linkWords(links)); err != nil {
		return err
	}
	if !w.broken("cut does nothing") {
		w.data = slices.Clone(links)
	}
	return nil
}

func (w *modelWorld) CutClients(ctx context.Context, nodes []string) error {
	if err := w.call(ctx, "cut clients %s", words(nodes)); err != nil {
		return err
	}
	switch {
	case w.broken("cut does nothing"):
	case w.broken("cut cuts all") && len(nodes) > 0:
		w.deaf = w.nodes
		return w.Cut(ctx, allLinks(w.nodes))
	default:
		w.deaf = slices.Clone(nodes)
	}
	return nil
}

func (w *modelWorld) ProbeClients(ctx context.Context, nodes []string) ([]Probe, error) {
	var probes []Probe
	for _, node := range nodes {
		probes = append(probes, Probe{Link: Link{Clients, node}, Method: "model client", Crossed: !slices.Contains(w.deaf, node)})
	}
	return probes, w.call(ctx, "probe clients %s", words(nodes))
}

func (w *modelWorld) Process(_ context.Context, node string) (ProcessState, error) {
	if w.broken("process cannot be asked") {
		return ProcessState{}, errors.New("agent does not answer")
	}
	w.live()
	return w.process[node], nil
}

// reach reports whether two nodes run and hear each other.
func (w *modelWorld) reach(a, b string) bool {
	_, there := w.cut[Link{a, b}]
	_, back := w.cut[Link{b, a}]
	awake := func(node string) bool { return w.process[node].Running && !w.process[node].Paused }
	return awake(a) && awake(b) && !there && !back && !slices.Contains(w.data, Link{a, b}) && !slices.Contains(w.data, Link{b, a})
}

// live lets the nodes do what they do by themselves: elect, let learners vote, stop when they are out.
func (w *modelWorld) live() {
	leads := func(node string) bool {
		reached := 0
		for _, v := range w.voters {
			if w.reach(node, v) {
				reached++
			}
		}
		return slices.Contains(w.voters, node) && reached > len(w.voters)/2
	}
	if !leads(w.leader) {
		w.leader = ""
		if i := slices.IndexFunc(w.nodes, leads); i >= 0 {
			w.leader = w.nodes[i]
			w.term++
		}
	}
	if w.leader == "" {
		return
	}
	caughtUp := !slices.ContainsFunc(w.learners, func(l string) bool { return !w.reach(w.leader, l) })
	if len(w.learners) > 0 && caughtUp && !w.broken("learners never vote") {
		w.voters = append(w.voters, w.learners...)
		slices.Sort(w.voters)
		w.learners = nil
	}
	for _, node := range w.nodes {
		s := w.process[node]
		if !slices.Contains(w.voters, node) && !slices.Contains(w.learners, node) && w.reach(w.leader, node) && !w.broken("removed node runs on") {
			s.Running, s.Ended = false, "exit status 0"
			if w.broken("removed node crashes") {
				s.Ended = "exit status 2"
			}
			w.process[node] = s
		}
	}
}

func (w *modelWorld) Membership(ctx context.Context, node string) (Membership, error) {
	w.live()
	if !w.process[node].Running || w.process[node].Paused || w.broken("nobody tells the members") {
		return Membership{}, errors.New("connection refused")
	}
	return Membership{Leads: node == w.leader, Term: w.term, Voters: slices.Clone(w.voters), Learners: slices.Clone(w.learners)}, ctx.Err()
}

func (w *modelWorld) ChangeMembers(ctx context.Context, add, remove []string) error {
	if err := w.call(ctx, "change +%v -%v", add, remove); err != nil {
		return err
	}
	switch {
	case w.leader == "":
		return errors.New("nobody leads")
	case w.broken("change is refused") && len(remove) > 0:
		return errors.New("another change of the configuration is under way")
	case w.broken("change does nothing"), w.broken("add does nothing") && len(add) > 0:
		return nil
	case len(w.learners) > 0:
		return errors.New("another change of the configuration is under way")
	}
	w.voters = slices.DeleteFunc(w.voters, func(v string) bool { return slices.Contains(remove, v) })
	w.learners = slices.Clone(add)
	if w.broken("answer is lost") {
		w.live()
		return errors.New("connection reset")
	}
	return nil
}

func (w *modelWorld) TransferLeadership(ctx context.Context, to string) error {
	if err := w.call(ctx, "transfer %s", to); err != nil {
		return err
	}
	if w.leader != "" && !w.reach(w.leader, to) {
		w.hopeless = append(w.hopeless, to)
	}
	switch {
	case w.broken("transfer is refused"):
		return errors.New("another change of the configuration is under way")
	case w.broken("transfer goes to another"):
		w.leader = w.nodes[slices.IndexFunc(w.nodes, func(node string) bool { return node != w.leader && node != to })]
		w.term++
	case w.leader != "" && w.reach(w.leader, to) && !w.broken("transfer does nothing"):
		w.leader = to
		w.term++
	}
	return nil
}

// whole tells what is left of any fault.
func (w *modelWorld) whole() string {
	var left []string
	for l := range w.cut {
		left = append(left, l.From+"->"+l.To+" is cut")
	}
	for _, l := range w.data {
		left = append(left, l.From+"->"+l.To+" is cut for data")
	}
	for _, node := range w.deaf {
		left = append(left, node+" is deaf to clients")
	}
	for node, s := range w.process {
		if !s.Running || s.Paused {
			left = append(left, node+" does not run")
		}
	}
	if !slices.Equal(w.voters, w.nodes) || len(w.learners) > 0 {
		left = append(left, fmt.Sprintf("voters are %v, learners %v", w.voters, w.learners))
	}
	for node, d := range w.disks {
		if d.state.Fault != (DiskFault{}) || len(d.flips) > 0 {
			left = append(left, "the disk of "+node+" is bad")
		}
	}
	for l := range w.shapes {
		left = append(left, l.From+"->"+l.To+" is shaped")
	}
	for _, node := range w.nodes {
		if w.modelClock(node).setting != (ClockSetting{}) {
			left = append(left, "the clock of "+node+" is wrong")
		}
	}
	slices.Sort(left)
	return strings.Join(left, ", ")
}
