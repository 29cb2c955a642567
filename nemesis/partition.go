package nemesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Partition cuts links between nodes.
const Partition = "partition"

const (
	openSample    = 4 // links that a partition leaves open and that are probed each time
	probeAttempts = 4 // for links that must be crossed: a busy machine may lose a probe
	probePause    = 50 * time.Millisecond
)

// Modes that are done in another way than by Cut alone.
const (
	flappingMode = "flapping"
	dataMode     = "one-way-data"
	ClientsMode  = "clients"
)

type partition struct{ basic }

var partitioning = partition{basic{title: Partition, ways: []mode{
	{name: "primary", needs: 2, help: "the current leader alone"},
	{name: "minority", needs: 5, help: "the current leader with as many others as leave a majority without it"},
	{name: "majority", needs: 3, help: "a random minority from the majority", choose: cutting(MajorityGrudge)},
	{name: "bridge", needs: 3, help: "two halves, and one node that both reach", choose: cutting(BridgeGrudge)},
	{name: "one-way", needs: 3, help: "what one random side sends to the other is lost, the answers are not", choose: cutting(OneWayGrudge)},
	{name: "one", needs: 2, help: "a random node alone", choose: cutting(OneGrudge)},
	{name: "ring", needs: 4, help: "every node reaches a majority, and no two the same", choose: cutting(RingGrudge)},
	{name: flappingMode, needs: 2, turns: true, help: "a random node alone, again and again for moments", choose: cutting(OneGrudge)},
	{name: dataMode, needs: 3, of: toCutData, help: "as one-way, but acknowledgements pass: the other direction goes on", choose: cutting(OneWayGrudge)},
	{name: ClientsMode, needs: 1, of: toCutClients, help: "clients from as many random nodes as leave a majority; nodes reach each other", choose: cutClients},
	{name: "halves", needs: 2, help: "in the middle; with an even number of nodes nobody has a majority",
		onRequest: func(nodes int) bool { return nodes%2 == 1 || nodes == 2 }, choose: cutting(HalvesGrudge)},
}}}

// checkPlan wants links, or nodes to keep clients off.
func (partition) checkPlan(s Step, _ int) error {
	if s.Text != "" && s.Mode != ClientsMode && len(s.Links) == 0 {
		return errors.New("it cuts no links")
	}
	if s.Text != "" && s.Mode == ClientsMode && len(s.Targets) == 0 {
		return errors.New("it keeps clients off no node: name targets")
	}
	return nil
}

func cutting(grudge func([]string, *rand.Rand) Grudge) func(draw) plan {
	return func(d draw) plan { return partitionPlan(grudge(d.nodes, d.rng)) }
}

func cutClients(d draw) plan {
	targets := some(d, func(nodes int) int { return max(1, minoritySize(nodes)) })
	return plan{targets: targets, text: "clients | " + words(targets)}
}

// partitionPlan names as targets the nodes whose sending is cut.
func partitionPlan(g Grudge) plan {
	p := plan{links: g.Links, text: g.Text}
	for _, l := range g.Links {
		if !slices.Contains(p.targets, l.From) {
			p.targets = append(p.targets, l.From)
		}
	}
	return p
}

// resolve cuts off the leader, alone or with others.
func (partition) resolve(ctx context.Context, n *Nemesis, f *fault) (plan, error) {
	leader, err := n.leader(ctx)
	switch {
	case err != nil:
		return plan{}, err
	case f.step.Mode == "minority":
		return partitionPlan(MinorityGrudge(n.world.Nodes(), leader)), nil
	}
	return partitionPlan(Isolate(n.world.Nodes(), leader)), nil
}

func (partition) inject(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	err := n.cut(ctx, nil)
	e.Done = n.now()
	if err != nil {
		e.observe("cut: " + err.Error())
	}
	reason := n.checkCut(ctx, f, e)
	if err != nil {
		reason = "the cut failed"
	}
	e.Took = reason == ""
	if !e.Took {
		e.observe("did not take hold: " + reason)
	}
}

func (partition) heal(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	var reason string
	switch {
	case f.flaps.opened:
		reason = f.flaps.text(e)
	default:
		reason = n.checkCut(ctx, f, e)
		reason = cmp.Or(f.flaps.text(e), reason)
	}
	e.Stood = reason == ""
	if !e.Stood {
		e.observe("did not stand to its end: " + reason)
	}
	err := n.cut(ctx, f)
	e.Done = n.now()
	if err != nil {
		e.observe("heal: " + err.Error())
	}
	reason = n.checkHealed(ctx, f, e)
	e.Took = reason == ""
	if !e.Took {
		e.observe("is not healed: " + reason)
	}
}

// checkHealed gathers evidence that what the fault cut passes again, as far as no other fault cuts it.
func (n *Nemesis) checkHealed(ctx context.Context, f *fault, e *Event) string {
	if f.step.Mode == ClientsMode {
		still := n.cuts(f).clients
		open := slices.DeleteFunc(slices.Clone(f.step.Targets), func(node string) bool { return slices.Contains(still, node) })
		return n.checkOpen(ctx, "healed", clientLinks(open), e)
	}
	return n.checkOpen(ctx, "healed", without(f.step.Links, n.cutLinks(f)), e)
}

// cuts are what partitions cut, each by the way it is done.
type cuts struct {
	full, data []Link
	clients    []string
}

// cuts is what all standing faults but one cut together.
func (n *Nemesis) cuts(except *fault) cuts {
	var c cuts
	for _, f := range n.standing() {
		switch {
		case f == except || f.step.Fault != Partition || f.flaps.opened:
		case f.step.Mode == dataMode:
			c.data = append(c.data, f.step.Links...)
		case f.step.Mode == ClientsMode:
			c.clients = append(c.clients, f.step.Targets...)
		default:
			c.full = append(c.full, f.step.Links...)
		}
	}
	c.full, c.data = sortLinks(c.full), sortLinks(c.data)
	slices.Sort(c.clients)
	c.clients = slices.Compact(c.clients)
	return c
}

// cut puts what all standing faults but one cut in force, and nothing else.
func (n *Nemesis) cut(ctx context.Context, except *fault) error {
	return n.cutExactly(ctx, n.cuts(except))
}

func (n *Nemesis) cutExactly(ctx context.Context, c cuts) error {
	errs := []error{n.world.Cut(ctx, c.full)}
	if n.has(Partition, dataMode) {
		errs = append(errs, n.abilities.Data.CutData(ctx, c.data))
	}
	if n.has(Partition, ClientsMode) {
		errs = append(errs, n.abilities.Clients.CutClients(ctx, c.clients))
	}
	return errors.Join(errs...)
}

// has reports whether the schedule has a mode of a fault.
func (n *Nemesis) has(fault, mode string) bool {
	return slices.ContainsFunc(n.schedule.Steps, func(s Step) bool { return s.Fault == fault && s.Mode == mode })
}

// flaps are the turns of a partition that comes and goes.
type flaps struct {
	opened  bool // now
	turns   int
	against []string
}

// text tells of the turns, and returns what speaks against them.
func (f flaps) text(e *Event) string {
	if f.turns > 0 {
		e.observe(fmt.Sprintf("opened or was cut again %d times, by probes each time", f.turns))
	}
	return strings.Join(f.against, "; ")
}

// turn opens what the fault cuts, or cuts it again.
func (partition) turn(ctx context.Context, n *Nemesis, f *fault) {
	f.flaps.opened = !f.flaps.opened
	f.flaps.turns++
	var e Event
	err := n.cut(ctx, nil)
	var reason string
	switch {
	case err != nil:
		reason = err.Error()
	case f.flaps.opened:
		reason = n.checkHealed(ctx, f, &e)
	default:
		reason = n.checkCut(ctx, f, &e)
	}
	if reason != "" {
		f.flaps.against = append(f.flaps.against, fmt.Sprintf("turn %d: %s", f.flaps.turns, reason))
	}
}

// cutLinks is what all standing faults but one cut together, of either direction.
func (n *Nemesis) cutLinks(except *fault) []Link {
	c := n.cuts(except)
	return sortLinks(slices.Concat(c.full, c.data))
}

// checkCut gathers evidence that the fault's links pass nothing and that others do. It returns what speaks against it.
func (n *Nemesis) checkCut(ctx context.Context, f *fault, e *Event) string {
	links := f.step.Links
	if f.step.Mode == ClientsMode {
		links = clientLinks(f.step.Targets)
	}
	probes, err := n.probe(ctx, links)
	if err != nil {
		return "probe: " + err.Error()
	}
	var t tally
	t.add(probes)
	e.observe(t.text("cut") + t.stops())
	switch {
	case len(t.crossed) > 0:
		return "crossed: " + linkWords(t.crossed)
	case t.asked() == 0:
		return "no probe could be made: " + t.err
	}
	return n.checkOpen(ctx, "open", n.sample(f), e)
}

func clientLinks(nodes []string) []Link { return between([]string{Clients}, nodes) }

// probe tries to cross links of either sort: between nodes, and from clients to nodes, not both at a time.
func (n *Nemesis) probe(ctx context.Context, links []Link) ([]Probe, error) {
	if len(links) == 0 || links[0].From != Clients {
		return n.world.Probe(ctx, links)
	}
	var nodes []string
	for _, l := range links {
		nodes = append(nodes, l.To)
	}
	return n.abilities.Clients.ProbeClients(ctx, nodes)
}

// sample draws a few of the links that every standing fault leaves open: between nodes, also where clients are cut off.
func (n *Nemesis) sample(f *fault) []Link {
	open := without(allLinks(n.world.Nodes()), n.cutLinks(nil))
	rng := rand.New(rand.NewPCG(n.schedule.Seed, uint64(f.step.ID)))
	rng.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	return sortLinks(open[:min(len(open), openSample)])
}

// checkOpen gathers evidence that the links are crossed, and returns what speaks against it.
func (n *Nemesis) checkOpen(ctx context.Context, what string, links []Link, e *Event) string {
	if len(links) == 0 {
		return ""
	}
	var t tally
	left := links
	for attempt := 1; ; attempt++ {
		probes, err := n.probe(ctx, left)
		if err != nil {
			return "probe: " + err.Error()
		}
		t.failed, t.err, t.held = nil, "", nil
		t.add(probes)
		left = slices.Concat(t.held, t.failed)
		if len(left) == 0 || attempt == probeAttempts || n.options.Clock.Sleep(ctx, probePause) != nil {
			break
		}
	}
	e.observe(t.text(what))
	if len(t.held) > 0 {
		return "not crossed: " + linkWords(t.held)
	}
	if len(t.crossed) == 0 {
		return "no probe could be made: " + t.err
	}
	return ""
}

// tally sums up probes.
type tally struct {
	crossed, held, failed []Link
	err                   string // of a probe that could not be made
	stopped               uint64
	unit, method          string
}

func (t *tally) add(probes []Probe) {
	for _, p := range probes {
		switch {
		case p.Error != "":
			t.failed = append(t.failed, p.Link)
			t.err = fmt.Sprintf("%s->%s: %s", p.Link.From, p.Link.To, p.Error)
		case p.Crossed:
			t.crossed = append(t.crossed, p.Link)
		default:
			t.held = append(t.held, p.Link)
		}
		t.stopped += p.Stopped
		if p.Method != "" {
			t.unit, t.method = p.Unit, p.Method
		}
	}
}

func (t *tally) asked() int { return len(t.crossed) + len(t.held) }

func (t *tally) text(what string) string {
	text := fmt.Sprintf("%d of %d probes crossed %s links", len(t.crossed), t.asked(), what)
	if t.method != "" {
		text += " (" + t.method + ")"
	}
	if len(t.failed) > 0 {
		text += fmt.Sprintf("; %d could not be made: %s", len(t.failed), t.err)
	}
	return text
}

// stops tells what the mechanism has counted, if it has.
func (t *tally) stops() string {
	if t.stopped == 0 {
		return ""
	}
	return fmt.Sprintf("; %d %s stopped since the cut", t.stopped, t.unit)
}

// without is links less those of others.
func without(links, others []Link) []Link {
	return slices.DeleteFunc(slices.Clone(links), func(l Link) bool { return slices.Contains(others, l) })
}

func linkWords(links []Link) string {
	texts := make([]string, len(links))
	for i, l := range links {
		texts[i] = l.From + "->" + l.To
	}
	return strings.Join(texts, ", ")
}
