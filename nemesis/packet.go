package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PacketTrouble is the fault that makes links slow, lossy or narrow.
const PacketTrouble = "packet"

// Modes of PacketTrouble.
const (
	// Duplication and Reordering cannot be done to streams.
	Duplication   = "duplicate"
	Reordering    = "reorder"
	delayMode     = "delay"
	lossMode      = "loss"
	bandwidthMode = "bandwidth"
)

// Parameters of PacketTrouble, beside nodesParameter, delayParameter and rateParameter.
const (
	jitterParameter = "jitter"
	shareParameter  = "share"
)

// packetPatience is how long the mechanism's counts are watched for showing what the fault does, packetPoll how often.
const (
	packetPatience = 3 * time.Second
	packetPoll     = 20 * time.Millisecond
)

type packets struct{ basic }

var troubling = packets{basic{title: PacketTrouble, of: toShapePackets, ways: []mode{
	{name: delayMode, needs: 2, help: "what nodes send comes late, and not equally late", choose: trouble},
	{name: lossMode, needs: 2, help: "a share of it is lost", choose: trouble},
	{name: Reordering, needs: 2, help: "it comes late, and a share of it overtakes the rest", choose: trouble},
	{name: bandwidthMode, needs: 2, help: "only so much of it comes through in a second", choose: trouble},
	{name: Duplication, needs: 2, help: "a share of it comes twice", choose: trouble},
}}}

func (packets) parameters() []parameter {
	return []parameter{
		{name: nodesParameter, help: "who sends it: leader, one, minority, majority or all", check: oneOf(nodeSetNames...)},
		{name: delayParameter, help: "how late it comes: 1ms to 5s", check: durationWithin(time.Millisecond, 5*time.Second), modes: []string{delayMode, Reordering}},
		{name: jitterParameter, help: "how much earlier or later than that: 0s to 5s", check: durationWithin(0, 5*time.Second), modes: []string{delayMode}},
		{name: shareParameter, help: "of all packets: 0.01 to 1", check: numberWithin(0.01, 1), modes: []string{lossMode, Reordering, Duplication}},
		{name: rateParameter, help: "KiB a second: 1 to 1000000", check: numberWithin(1, 1_000_000), modes: []string{bandwidthMode}},
	}
}

// checkPlan wants links, and what the mode does to them.
func (packets) checkPlan(s Step, _ int) error {
	if s.Text != "" && len(s.Links) == 0 {
		return errors.New("it shapes no links: name those by which its targets send")
	}
	return s.wantParameters(map[string][]string{
		delayMode: {delayParameter}, lossMode: {shareParameter}, Reordering: {delayParameter, shareParameter}, bandwidthMode: {rateParameter}, Duplication: {shareParameter},
	}[s.Mode]...)
}

// trouble draws whose sending it is and how much of it there is, unless that was asked for.
func trouble(d draw) plan {
	p := plan{parameters: map[string]string{nodesParameter: drawWeighted(map[string]int{"leader": 2, "one": 1, "minority": 2, "majority": 1, "all": 2}, d)}}
	switch d.mode {
	case delayMode:
		delay := drawLog(5, 200, d.rng)
		p.parameters[delayParameter] = (time.Duration(delay) * time.Millisecond).String()
		p.parameters[jitterParameter] = (time.Duration(delay*d.rng.Float64()) * time.Millisecond).String()
	case Reordering:
		p.parameters[delayParameter] = (time.Duration(drawLog(5, 50, d.rng)) * time.Millisecond).String()
		p.parameters[shareParameter] = share(drawLog(0.1, 0.5, d.rng))
	case bandwidthMode:
		p.parameters[rateParameter] = strconv.Itoa(int(drawLog(10, 500, d.rng)))
	default:
		p.parameters[shareParameter] = share(drawLog(0.05, 0.5, d.rng))
	}
	for key, value := range d.parameters {
		p.parameters[key] = value
	}
	if size := nodeSets[p.parameters[nodesParameter]]; size != nil {
		p.fillTrouble(d.mode, d.nodes, some(d, size))
	}
	return p
}

// drawLog draws a number from low to high, small ones as often as large ones.
func drawLog(low, high float64, rng *rand.Rand) float64 {
	return low * math.Pow(high/low, rng.Float64())
}

func share(of float64) string { return strconv.FormatFloat(of, 'f', 2, 64) }

// fillTrouble makes the plan one of all that the targets send.
func (p *plan) fillTrouble(mode string, nodes, targets []string) {
	p.targets = targets
	p.links = sortLinks(slices.DeleteFunc(between(targets, nodes), func(l Link) bool { return l.From == l.To }))
	p.text = "what " + words(targets) + " send: " + map[string]string{
		delayMode:     "late by " + p.parameters[delayParameter] + "±" + p.parameters[jitterParameter],
		lossMode:      p.parameters[shareParameter] + " lost",
		Reordering:    p.parameters[shareParameter] + " overtake, the rest late by " + p.parameters[delayParameter],
		Duplication:   p.parameters[shareParameter] + " come twice",
		bandwidthMode: p.parameters[rateParameter] + " KiB a second",
	}[mode]
}

// resolve finds the leader.
func (packets) resolve(ctx context.Context, n *Nemesis, f *fault) (plan, error) {
	leader, err := n.leader(ctx)
	p := plan{parameters: f.step.Parameters}
	p.fillTrouble(f.step.Mode, n.world.Nodes(), []string{leader})
	return p, err
}

// ShapeFor is what a mode of PacketTrouble does to links, by example: whoever can do that can do the mode.
func ShapeFor(mode string) Shape {
	return map[string]Shape{
		delayMode: {Delay: time.Millisecond}, Reordering: {Delay: time.Millisecond, Reorder: 0.5}, lossMode: {Loss: 0.5}, Duplication: {Duplicate: 0.5}, bandwidthMode: {Rate: 1024},
	}[mode]
}

// shape is what the step does to its links.
func (s Step) shape() (Shape, error) {
	var to Shape
	var errs []error
	duration := func(key string, into *time.Duration) {
		if value, ok := s.Parameters[key]; ok {
			d, err := time.ParseDuration(value)
			*into, errs = d, append(errs, err)
		}
	}
	number := func(key string) float64 {
		x, err := strconv.ParseFloat(s.Parameters[key], 64)
		errs = append(errs, err)
		return x
	}
	duration(delayParameter, &to.Delay)
	duration(jitterParameter, &to.Jitter)
	switch s.Mode {
	case lossMode:
		to.Loss = number(shareParameter)
	case Reordering:
		to.Reorder = number(shareParameter)
	case Duplication:
		to.Duplicate = number(shareParameter)
	case bandwidthMode:
		to.Rate = int64(number(rateParameter) * 1024)
	}
	if err := errors.Join(errs...); err != nil {
		return to, fmt.Errorf("its parameters %v: %w", s.Parameters, err)
	}
	return to, nil
}

// shapes are what all standing faults but one do to links; of two on a link the later one counts.
func (n *Nemesis) shapes(except *fault) []ShapedLink {
	of := map[Link]Shape{}
	for _, f := range n.standing() {
		if f.step.Fault != PacketTrouble || f == except {
			continue
		}
		to, _ := f.step.shape()
		for _, l := range f.step.Links {
			of[l] = to
		}
	}
	var all []ShapedLink
	for _, l := range allLinks(n.world.Nodes()) {
		if to, ok := of[l]; ok {
			all = append(all, ShapedLink{Link: l, Shape: to})
		}
	}
	return all
}

func (packets) inject(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	to, err := f.step.shape()
	if err == nil {
		err = n.abilities.Packets.ShapeLinks(ctx, n.shapes(nil))
	}
	e.Done = n.now()
	var reason string
	if err != nil {
		reason = err.Error()
	} else {
		reason = n.checkTrouble(ctx, f, to, e)
	}
	e.Took = reason == ""
	if !e.Took {
		e.observe("did not take hold: " + reason)
	}
}

// checkTrouble gathers evidence that the fault's links have its shape, and that packets have felt it.
func (n *Nemesis) checkTrouble(ctx context.Context, f *fault, to Shape, e *Event) string {
	for end := n.now() + packetPatience; ; {
		shaped, err := n.abilities.Packets.Shaped(ctx, f.step.Links)
		if err != nil {
			return err.Error()
		}
		sum, reason := n.sumShaped(shaped, to)
		if reason != "" {
			return reason
		}
		if sum.felt(f.step.Mode) > 0 {
			e.observe(sum.text(f.step.Mode))
			return ""
		}
		if n.now() >= end {
			return fmt.Sprintf("%s: nothing was felt of it within %v", sum.text(f.step.Mode), packetPatience)
		}
		if _, err := n.world.Probe(ctx, f.step.Links); err != nil { // so that there is something to be felt
			return "probe: " + err.Error()
		}
		if n.options.Clock.Sleep(ctx, packetPoll) != nil {
			return "there was no time to watch the links"
		}
	}
}

// troubled sums up what a mechanism has done to links.
type troubled struct {
	Shaped
	links, silent int
	held          time.Duration // of all that was delayed
}

// sumShaped sums up, and tells of a link that has another shape than it should. Links of nodes that a fault keeps down cannot be asked.
func (n *Nemesis) sumShaped(shaped []Shaped, to Shape) (troubled, string) {
	var sum troubled
	for _, s := range shaped {
		switch {
		case s.Error != "" && (n.isDown(s.Link.From) || n.isDown(s.Link.To)):
			sum.silent++
			continue
		case s.Error != "":
			return sum, fmt.Sprintf("%s->%s cannot be asked: %s", s.Link.From, s.Link.To, s.Error)
		case s.Shape != to && n.overlaid(s):
			continue // by a later fault
		case s.Shape != to:
			return sum, fmt.Sprintf("%s->%s has the shape %+v, not %+v", s.Link.From, s.Link.To, s.Shape, to)
		}
		sum.links++
		sum.Passed += s.Passed
		sum.Delayed += s.Delayed
		sum.Lost += s.Lost
		sum.Reordered += s.Reordered
		sum.Duplicated += s.Duplicated
		sum.Limited += s.Limited
		sum.held += s.Held * time.Duration(s.Delayed)
		sum.Unit, sum.Method = s.Unit, s.Method
	}
	if sum.links == 0 {
		return sum, "there was no link that could be asked"
	}
	return sum, ""
}

// overlaid reports whether a link has the shape that the faults that stand give it together.
func (n *Nemesis) overlaid(s Shaped) bool {
	return slices.Contains(n.shapes(nil), ShapedLink{Link: s.Link, Shape: s.Shape})
}

// felt is how many packets show what the mode does.
func (t troubled) felt(mode string) uint64 {
	return map[string]uint64{delayMode: t.Delayed, lossMode: t.Lost, Reordering: t.Reordered, Duplication: t.Duplicated, bandwidthMode: t.Limited}[mode]
}

func (t troubled) text(mode string) string {
	text := fmt.Sprintf("%d links are as asked: of %d %s %d came through", t.links, t.Passed+t.Lost, t.Unit, t.Passed)
	switch mode {
	case delayMode, Reordering:
		text += fmt.Sprintf(", %d late", t.Delayed)
		if t.held > 0 { // netem does not say
			text += fmt.Sprintf(" by %v on average", (t.held / time.Duration(t.Delayed)).Round(10*time.Microsecond))
		}
		if mode == Reordering {
			text += fmt.Sprintf(", %d before earlier ones", t.Reordered)
		}
	case lossMode:
		text += fmt.Sprintf(", %d were lost", t.Lost)
	case Duplication:
		text += fmt.Sprintf(", %d twice", t.Duplicated)
	case bandwidthMode:
		text += fmt.Sprintf(", %d had to wait for others", t.Limited)
	}
	text += " (" + t.Method + ")"
	if t.silent > 0 {
		text += fmt.Sprintf("; %d links of nodes that are down could not be asked", t.silent)
	}
	return text
}

func (packets) heal(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	to, err := f.step.shape()
	var reason string
	if err != nil {
		reason = err.Error()
	} else {
		reason = n.checkTrouble(ctx, f, to, e)
	}
	e.Stood = reason == ""
	if !e.Stood {
		e.observe("did not stand to its end: " + reason)
	}
	left := n.shapes(f)
	err = n.abilities.Packets.ShapeLinks(ctx, left)
	e.Done = n.now()
	healed := slices.DeleteFunc(slices.Clone(f.step.Links), func(l Link) bool {
		return slices.ContainsFunc(left, func(s ShapedLink) bool { return s.Link == l })
	})
	if err == nil {
		err = n.checkUnshaped(ctx, healed, e)
	}
	e.Took = err == nil
	if err != nil {
		e.observe("is not healed: " + err.Error())
	}
}

// checkUnshaped gathers evidence that nothing is done to the links.
func (n *Nemesis) checkUnshaped(ctx context.Context, links []Link, e *Event) error {
	shaped, err := n.abilities.Packets.Shaped(ctx, links)
	if err != nil {
		return err
	}
	free := 0
	var against []string
	for _, s := range shaped {
		switch {
		case s.Error != "" && (n.isDown(s.Link.From) || n.isDown(s.Link.To)):
		case s.Error != "":
			against = append(against, fmt.Sprintf("%s->%s cannot be asked: %s", s.Link.From, s.Link.To, s.Error))
		case s.Shape != Shape{}:
			against = append(against, fmt.Sprintf("%s->%s still has the shape %+v", s.Link.From, s.Link.To, s.Shape))
		default:
			free++
		}
	}
	e.observe(fmt.Sprintf("%d of %d links have no shape any more", free, len(links)))
	if len(against) > 0 {
		return errors.New(strings.Join(against, "; "))
	}
	return nil
}

func (packets) closed() string { return "no link is shaped" }

// close lifts every shape.
func (packets) close(ctx context.Context, n *Nemesis, e *Event) error {
	if err := n.abilities.Packets.ShapeLinks(ctx, nil); err != nil {
		return fmt.Errorf("lift the shapes of links: %w", err)
	}
	return n.checkUnshaped(ctx, allLinks(n.world.Nodes()), e)
}
