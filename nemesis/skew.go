package nemesis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ClockSkew is the fault that sets nodes' clocks wrong.
const ClockSkew = "clock"

// Modes of ClockSkew.
const (
	rateMode   = "rate"
	aheadMode  = "ahead"
	backMode   = "back"
	strobeMode = "strobe"
)

// Parameters of ClockSkew, beside nodesParameter.
const (
	rateParameter   = "rate"
	offsetParameter = "offset"
	periodParameter = "period"
	byParameter     = "by"
)

// Values of byParameter: by what clocks are set. Without it, by their own where they have such ones.
const (
	byOwn  = "own"
	byVDSO = "vdso"
)

const (
	// clockSample is how long a clock is watched to see how fast it goes.
	clockSample = 60 * time.Millisecond
	// clockTolerance is how far a clock may be from what was asked: so much of it, and clockError beside.
	clockTolerance = 0.02
	clockError     = 2 * time.Millisecond
	// strobeLooks is how often a clock that strobes is looked at, strobePeriods over how many periods.
	strobeLooks   = 12
	strobePeriods = 4
)

type skew struct{ basic }

var skewing = skew{basic{title: ClockSkew, of: toSetClocks, ways: []mode{
	{name: rateMode, needs: 1, help: "clocks and timers run fast or slow", choose: misset},
	{name: aheadMode, needs: 1, help: "wall clocks jump ahead", choose: misset},
	{name: backMode, needs: 1, help: "wall clocks jump back", choose: misset},
	{name: strobeMode, needs: 1, help: "wall clocks jump back and forth", choose: misset},
}}}

func (skew) parameters() []parameter {
	return []parameter{
		{name: nodesParameter, help: "whose clocks: leader, one, minority, majority or all", check: oneOf(nodeSetNames...)},
		{name: byParameter, help: "by what they are set: own (the node's own clock) or vdso (a patch of its process)", check: oneOf(byOwn, byVDSO)},
		{name: rateParameter, help: "seconds that they count in a second: 0.01 to 100", check: numberWithin(0.01, 100), modes: []string{rateMode}},
		{name: offsetParameter, help: "how far they jump: 100ms to 100h", check: durationWithin(100*time.Millisecond, 100*time.Hour), modes: []string{aheadMode, backMode, strobeMode}},
		{name: periodParameter, help: "time between two jumps: 10ms to 1s", check: durationWithin(10*time.Millisecond, time.Second), modes: []string{strobeMode}},
	}
}

// misset draws whose clocks are wrong and how, unless that was asked for.
func misset(d draw) plan {
	p := plan{parameters: map[string]string{nodesParameter: drawWeighted(map[string]int{"leader": 2, "one": 1, "minority": 2, "majority": 2, "all": 1}, d)}}
	switch d.mode {
	case rateMode:
		p.parameters[rateParameter] = drawRate(d.rng)
	case strobeMode:
		p.parameters[periodParameter] = drawBetween(20*time.Millisecond, 200*time.Millisecond, d.rng).Round(time.Millisecond).String()
		p.parameters[offsetParameter] = drawOffset(d.rng)
	default:
		p.parameters[offsetParameter] = drawOffset(d.rng)
	}
	for key, value := range d.parameters {
		p.parameters[key] = value
	}
	if size := nodeSets[p.parameters[nodesParameter]]; size != nil {
		p.targets = some(d, size)
		p.text = skewText(d.mode, p.targets, p.parameters)
	}
	return p
}

// drawRate draws a rate from a fifth to five, as often slow as fast.
func drawRate(rng *rand.Rand) string {
	rate := math.Pow(5, 0.1+0.9*rng.Float64())
	if rng.IntN(2) == 0 {
		rate = 1 / rate
	}
	return strconv.FormatFloat(rate, 'f', 2, 64)
}

// drawOffset draws from a second to some hours, small ones as often as large ones.
func drawOffset(rng *rand.Rand) string {
	return time.Duration(float64(time.Second) * math.Pow(10, 4*rng.Float64())).Round(time.Second).String()
}

func skewText(mode string, targets []string, parameters map[string]string) string {
	what := map[string]string{
		rateMode:   "at rate " + parameters[rateParameter],
		aheadMode:  "ahead by " + parameters[offsetParameter],
		backMode:   "back by " + parameters[offsetParameter],
		strobeMode: "strobing by " + parameters[offsetParameter] + " every " + parameters[periodParameter],
	}[mode]
	return "clock of " + words(targets) + " " + what
}

// lacks tells why clocks cannot be set by what the parameters name.
func (skew) lacks(ctx context.Context, parameters map[string]string, have Abilities) error {
	by := parameters[byParameter]
	if by == byOwn && have.Clocks == nil {
		return errors.New("nodes with clocks of their own that can be set, and these have none")
	}
	means := have.clocks(by)
	if means == nil {
		return errors.New("processes whose vDSO can be patched, and those of this cluster cannot: use --cluster local or docker, on Linux on amd64")
	}
	if limited, ok := means.(interface{ Lacks(context.Context) error }); ok {
		return limited.Lacks(ctx)
	}
	return nil
}

// clocks are the means to set clocks by what was asked for; nil: there are none.
func (a Abilities) clocks(by string) Clocks {
	if by == byVDSO || by == "" && a.Clocks == nil {
		return a.Patched
	}
	return a.Clocks
}

// resolve finds the leader.
func (skew) resolve(ctx context.Context, n *Nemesis, f *fault) (plan, error) {
	leader, err := n.leader(ctx)
	targets := []string{leader}
	return plan{targets: targets, text: skewText(f.step.Mode, targets, f.step.Parameters)}, err
}

// setting is how the step's clocks are to go.
func (s Step) clock() (ClockSetting, error) {
	var to ClockSetting
	var err error
	parse := func(key string) (d time.Duration) {
		if err == nil {
			d, err = time.ParseDuration(s.Parameters[key])
		}
		return d
	}
	switch s.Mode {
	case rateMode:
		to.Rate, err = strconv.ParseFloat(s.Parameters[rateParameter], 64)
	case aheadMode:
		to.Offset = parse(offsetParameter)
	case backMode:
		to.Offset = -parse(offsetParameter)
	case strobeMode:
		to.Offset, to.Strobe = parse(offsetParameter), parse(periodParameter)
	}
	if err != nil {
		return to, fmt.Errorf("its parameters %v: %w", s.Parameters, err)
	}
	return to, nil
}

// misled is a node whose clock a fault has set wrong.
type misled struct {
	process ProcessState
	first   ClockReading // right after it was set
}

func (skew) inject(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	to, err := f.step.clock()
	by := f.step.Parameters[byParameter]
	var against []string
	if err != nil {
		against = append(against, err.Error())
	}
	f.misled = map[string]misled{}
	var set []string
	began := n.now()
	for _, node := range f.step.Targets {
		if err != nil {
			break
		}
		switch state, err := n.world.Process(ctx, node); {
		case err != nil:
			against = append(against, fmt.Sprintf("%s cannot be asked: %v", node, err))
		case !state.Running && n.isDown(node), state.Paused:
			e.observe(node + " does not run now, and is left alone")
		default:
			f.misled[node] = misled{process: state} // also where the call reports an error: it may have been done
			if err := n.abilities.clocks(by).SetClock(ctx, node, to); err != nil {
				against = append(against, fmt.Sprintf("set the clock of %s: %v", node, err))
				continue
			}
			set = append(set, node)
		}
	}
	e.Done = n.now()
	firsts, reasons := n.watchClocks(ctx, by, set, to, n.now()-began, e)
	against = append(against, reasons...)
	for node, first := range firsts {
		f.misled[node] = misled{process: f.misled[node].process, first: first}
	}
	if len(f.misled) == 0 && len(against) == 0 {
		against = append(against, "nobody was there whose clock could be set")
	}
	e.Took = len(against) == 0
	if !e.Took {
		e.observe("did not take hold: " + strings.Join(against, "; "))
	}
}

// watchClocks gathers evidence that the nodes' clocks go as they were just set to, within the time that setting them took. It gives the
// first reading of each.
func (n *Nemesis) watchClocks(ctx context.Context, by string, nodes []string, to ClockSetting, took time.Duration, e *Event) (firsts map[string]ClockReading, against []string) {
	if len(nodes) == 0 {
		return nil, nil
	}
	if to.Strobe != 0 {
		return nil, n.watchStrobe(ctx, by, nodes, to, e)
	}
	firsts = map[string]ClockReading{}
	for _, node := range nodes {
		began := n.now()
		first, err := n.abilities.clocks(by).ReadClock(ctx, node)
		if err != nil {
			against = append(against, fmt.Sprintf("the clock of %s cannot be read: %v", node, err))
			continue
		}
		took += n.now() - began
		drift := time.Duration(math.Abs(to.rate()-1) * float64(took))
		if absolute(first.Skew()-to.Offset) > drift+to.slack(0)+first.Within {
			against = append(against, fmt.Sprintf("the wall clock of %s is ahead by %v, not by %v", node, first.Skew().Round(time.Millisecond), to.Offset))
			continue
		}
		firsts[node] = first
	}
	if n.options.Clock.Sleep(ctx, clockSample) != nil {
		return firsts, append(against, "there was no time to watch the clocks")
	}
	for _, node := range nodes {
		if first, ok := firsts[node]; ok {
			if reason := n.checkGoes(ctx, by, node, to, first, e); reason != "" {
				against = append(against, reason)
			}
		}
	}
	return firsts, against
}

// checkGoes gathers evidence that the node's clock has gone as it was to since the reading.
func (n *Nemesis) checkGoes(ctx context.Context, by, node string, to ClockSetting, first ClockReading, e *Event) string {
	last, err := n.abilities.clocks(by).ReadClock(ctx, node)
	if err != nil {
		return fmt.Sprintf("the clock of %s cannot be read: %v", node, err)
	}
	passed := last.TrueMonotonic - first.TrueMonotonic
	counted := last.Monotonic - first.Monotonic
	slack := to.slack(passed) + first.Within + last.Within
	e.observe(fmt.Sprintf("%s: its clock counted %v in %v, its wall clock is ahead by %v (%s)", node, counted.Round(time.Millisecond), passed.Round(time.Millisecond),
		last.Skew().Round(time.Millisecond), last.Method))
	if want := time.Duration(to.rate() * float64(passed)); absolute(counted-want) > slack {
		return fmt.Sprintf("the clock of %s counted %v in %v, where it was to count %v", node, counted, passed, want)
	}
	if want := time.Duration((to.rate() - 1) * float64(passed)); absolute(last.Skew()-first.Skew()-want) > slack {
		return fmt.Sprintf("the wall clock of %s is ahead by %v, and was by %v a time of %v before", node, last.Skew(), first.Skew(), passed)
	}
	return ""
}

// watchStrobe gathers evidence that the nodes' wall clocks jump to and fro; with no offset, that they do so no more.
func (n *Nemesis) watchStrobe(ctx context.Context, by string, nodes []string, to ClockSetting, e *Event) (against []string) {
	right, off, bad := map[string]int{}, map[string]int{}, map[string]string{}
	for range strobeLooks {
		for _, node := range nodes {
			r, err := n.abilities.clocks(by).ReadClock(ctx, node)
			slack := to.slack(0) + r.Within
			switch {
			case err != nil:
				bad[node] = fmt.Sprintf("the clock of %s cannot be read: %v", node, err)
			case absolute(r.Skew()) <= slack:
				right[node]++
			case absolute(r.Skew()-to.Offset) <= slack:
				off[node]++
			default:
				bad[node] = fmt.Sprintf("the wall clock of %s is ahead by %v, which is neither 0 nor %v", node, r.Skew(), to.Offset)
			}
		}
		// Not in step with the strobe, which would show one side of it only.
		if n.options.Clock.Sleep(ctx, to.Strobe*strobePeriods/strobeLooks+time.Millisecond) != nil {
			return []string{"there was no time to watch the clocks"}
		}
	}
	for _, node := range nodes {
		e.observe(fmt.Sprintf("%s: of %d looks at its wall clock %d found it right and %d ahead by %v", node, strobeLooks, right[node], off[node], to.Offset))
		switch {
		case bad[node] != "":
			against = append(against, bad[node])
		case to.Offset != 0 && (right[node] == 0 || off[node] == 0):
			against = append(against, fmt.Sprintf("the wall clock of %s does not jump to and fro", node))
		}
	}
	return against
}

func (s ClockSetting) rate() float64 {
	if s.Rate == 0 {
		return 1
	}
	return s.Rate
}

// slack is how far a clock that goes so may be from it after a time.
func (s ClockSetting) slack(passed time.Duration) time.Duration {
	return clockError + time.Duration(clockTolerance*(s.rate()*float64(passed)+math.Abs(float64(s.Offset))*0.05))
}

func absolute(d time.Duration) time.Duration { return max(d, -d) }

func (skew) heal(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	to, err := f.step.clock()
	by := f.step.Parameters[byParameter]
	any := len(f.misled) > 0
	var early, against, strobing, right []string
	if err != nil {
		early = append(early, err.Error())
	}
	for _, node := range f.step.Targets {
		m, ok := f.misled[node]
		if !ok {
			continue
		}
		state, err := n.world.Process(ctx, node)
		switch {
		case err != nil:
			early = append(early, fmt.Sprintf("%s cannot be asked: %v", node, err))
		case state.Starts != m.process.Starts || !state.Running:
			e.observe(node + " was killed meanwhile; a process that is started anew has a clock that is right")
			delete(f.misled, node)
		case state.Paused:
			e.observe(node + " stands still: its clock is set right when it goes on")
			n.late = append(n.late, lateClock{by, node})
			delete(f.misled, node)
		case to.Strobe != 0:
			strobing = append(strobing, node)
		case m.first != (ClockReading{}):
			if reason := n.checkGoes(ctx, by, node, to, m.first, e); reason != "" {
				early = append(early, reason)
			}
		default:
			early = append(early, "the clock of "+node+" was never seen to go so")
		}
	}
	if len(strobing) > 0 {
		early = append(early, n.watchStrobe(ctx, by, strobing, to, e)...)
	}
	e.Stood = any && len(early) == 0
	if len(early) > 0 {
		e.observe("did not stand to its end: " + strings.Join(early, "; "))
	}
	for _, node := range f.step.Targets {
		if _, ok := f.misled[node]; !ok {
			continue
		}
		if err := n.abilities.clocks(by).SetClock(ctx, node, n.clockBesides(by, node, f)); err != nil {
			against = append(against, fmt.Sprintf("set the clock of %s right: %v", node, err))
		} else if n.clockBesides(by, node, f) == (ClockSetting{}) {
			right = append(right, node)
		}
	}
	e.Done = n.now()
	against = append(against, n.watchRight(ctx, by, right, to.Strobe, e)...)
	if !any {
		e.observe("there is nothing to set right: it set no clock")
	}
	e.Took = len(against) == 0
	if !e.Took {
		e.observe("is not healed: " + strings.Join(against, "; "))
	}
}

// lateClock is the clock of a node that stood still when it was to be set right, and by what.
type lateClock struct{ by, node string }

// setLateClocks sets the clocks right of nodes that go on again.
func (n *Nemesis) setLateClocks(ctx context.Context, e *Event) {
	still := n.late[:0]
	for _, clock := range n.late {
		node := clock.node
		state, err := n.world.Process(ctx, node)
		if err == nil && (state.Paused || !state.Running) { // one that is started anew has a clock that is right
			if state.Paused {
				still = append(still, clock)
			}
			continue
		}
		if err := n.abilities.clocks(clock.by).SetClock(ctx, node, n.clockBesides(clock.by, node, nil)); err != nil {
			e.observe(fmt.Sprintf("the clock of %s, which is late to be set right, is not: %v", node, err))
			still = append(still, clock)
			continue
		}
		e.observe(node + " goes on: its clock is set right")
	}
	n.late = still
}

// clockBesides is how the node's clock, set by the same means, is to go by the latest other fault that stands.
func (n *Nemesis) clockBesides(by, node string, f *fault) ClockSetting {
	var to ClockSetting
	for _, other := range n.standing() {
		if _, ok := other.misled[node]; ok && other != f && other.step.Parameters[byParameter] == by {
			to, _ = other.step.clock()
		}
	}
	return to
}

// watchRight gathers evidence that the nodes' clocks are right, where they may have strobed.
func (n *Nemesis) watchRight(ctx context.Context, by string, nodes []string, strobed time.Duration, e *Event) []string {
	_, against := n.watchClocks(ctx, by, nodes, ClockSetting{}, 0, e)
	if len(nodes) > 0 && strobed != 0 {
		against = append(against, n.watchStrobe(ctx, by, nodes, ClockSetting{Strobe: strobed}, e)...)
	}
	return against
}

func (skew) closed() string { return "all clocks are right" }

// close sets every clock right, whatever was set, by all means that the schedule has.
func (skew) close(ctx context.Context, n *Nemesis, e *Event) error {
	strobed := map[string]time.Duration{} // by means
	for _, step := range n.schedule.Steps {
		if step.Fault == ClockSkew && step.Phase == PhaseInject {
			to, _ := step.clock()
			by := step.Parameters[byParameter]
			strobed[by] = max(strobed[by], to.Strobe)
		}
	}
	var against []string
	for _, by := range slices.Sorted(maps.Keys(strobed)) {
		against = append(against, n.closeClocks(ctx, by, strobed[by], e)...)
	}
	if len(against) > 0 {
		return errors.New(strings.Join(against, "; "))
	}
	return nil
}

// closeClocks sets every clock right by one means, and tells which are not.
func (n *Nemesis) closeClocks(ctx context.Context, by string, strobed time.Duration, e *Event) (against []string) {
	var set []string
	for _, node := range n.world.Nodes() {
		if err := n.revive(ctx, node, e); err != nil {
			continue // that it does not run is told of by the closing itself
		}
		if err := n.awaitClock(ctx, by, node); err != nil {
			against = append(against, fmt.Sprintf("set the clock of %s right: %v", node, err))
			continue
		}
		set = append(set, node)
	}
	var looks Event
	against = append(against, n.watchRight(ctx, by, set, strobed, &looks)...)
	if len(against) == 0 {
		e.observe(fmt.Sprintf("the clocks of %d nodes go as the machine's", len(set)))
	}
	return against
}

// awaitClock sets the node's clock right. A process that has just been started may not answer yet.
func (n *Nemesis) awaitClock(ctx context.Context, by, node string) error {
	for end := n.now() + clockAwaited; ; {
		err := n.abilities.clocks(by).SetClock(ctx, node, ClockSetting{})
		if err == nil || n.now() >= end || n.options.Clock.Sleep(ctx, memberPoll) != nil {
			return err
		}
	}
}

// clockAwaited is how long a node may take until its clock can be set.
const clockAwaited = 5 * time.Second
