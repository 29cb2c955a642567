package nemesis

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Phases of a fault.
const (
	PhaseInject = "inject"
	PhaseTurn   = "turn" // a fault that stands changes: what it has cut opens, and is cut again
	PhaseHeal   = "heal"
)

// Step is one thing to do at a time.
type Step struct {
	At    time.Duration `json:"at_ns"` // since the start of the run
	ID    int           `json:"id"`    // of the fault, from 1: its injection and its heal carry the same
	Fault string        `json:"fault"`
	Mode  string        `json:"mode"`
	Phase string        `json:"phase"` // PhaseInject, PhaseTurn or PhaseHeal
	// Parameters are how the fault is done, key=value: what was asked for and what was drawn. Its kind says what there is.
	Parameters map[string]string `json:"parameters,omitempty"`
	// Links, Targets and Text say what an injection does. They are empty where only the run can tell: who leads, for one.
	Links   []Link   `json:"links,omitempty"`
	Targets []string `json:"targets,omitempty"`
	Text    string   `json:"text,omitempty"`
}

// fill puts a plan into the step.
func (s *Step) fill(p plan) {
	s.Links, s.Targets, s.Text = p.links, p.targets, p.text
	if len(p.parameters) > 0 {
		s.Parameters = p.parameters
	}
}

// Schedule is a run's faults. After the last step every fault is healed.
type Schedule struct {
	Nodes    []string      `json:"nodes"`
	Seed     uint64        `json:"seed"`
	Duration time.Duration `json:"duration_ns"`
	Steps    []Step        `json:"steps"`
}

// The shape of a schedule, for a run of fullLength or longer. Shorter runs have shorter faults, because several short
// faults say more than one long; but a fault shorter than an election says little.
const (
	fullLength            = 30 * time.Second
	minFault, maxFault    = 1500 * time.Millisecond, 4 * time.Second
	minCalm, maxCalm      = 1 * time.Second, 3 * time.Second
	atOnce                = 2                      // faults that stand
	instantLength         = 250 * time.Millisecond // of a fault that is over at once, in the schedule
	instantAhead          = 500 * time.Millisecond // and how long before others it comes
	instantLikelihood     = 0.5
	smallestScale         = 0.45
	minTurn, maxTurn      = 400 * time.Millisecond, 900 * time.Millisecond // between two changes of a fault that changes while it stands
	closingPart           = 20                                             // of the duration, a part in so many is kept calm at the end
	secondFaultLikelihood = 0.5
	secondFaultLength     = 0.45 // what a second fault adds to an episode on average, in lengths of a fault
)

// NewSchedule draws a schedule. It is a pure function: the same arguments give the same schedule.
//
// A schedule is a row of episodes with calm between them and after them. An episode has one fault, or two of different
// kinds that overlap: a kill while a partition stands, healed in either order; more would leave a cluster that does nothing.
// A fault that is over at once comes right before them, or while the first of them stands. Each mode asked for comes once, the most
// telling first, before any comes again, as far as the time allows. Of a fault without a mode it draws those that every cluster with
// the fault's ability has; Expand adds the others.
func NewSchedule(specs []Spec, nodes []string, seed uint64, duration time.Duration) (Schedule, error) {
	s := Schedule{Nodes: slices.Clone(nodes), Seed: seed, Duration: duration}
	rng := rand.New(rand.NewPCG(seed, 0x6f726465616c))
	if groups := stages(specs); groups != nil {
		episodes, err := drawSequence(groups, len(nodes), duration, rng)
		if err != nil {
			return Schedule{}, err
		}
		s.Steps = steps(episodes, nodes, rng)
		return s, nil
	}
	supply, err := newSupply(specs, len(nodes), rng)
	if err != nil {
		return Schedule{}, err
	}
	if len(supply.kinds) == 0 { // transfers alone
		supply.kinds, supply.instant = supply.instant, nil
	}
	if len(supply.kinds) > 0 {
		s.Steps = steps(drawEpisodes(supply, duration, rng), nodes, rng)
	}
	return s, nil
}

// episode is a group of overlapping faults and the calm before it, at unscaled times.
type episode struct {
	calm   time.Duration
	faults []span
	length time.Duration
}

// span is one fault of an episode, from and to since the episode's begin.
type span struct {
	kind     kind
	mode     mode
	from, to time.Duration
}

// drawEpisodes draws as many episodes as the duration has room for, and stretches them to fill it.
func drawEpisodes(s *supply, duration time.Duration, rng *rand.Rand) []episode {
	room := roomOf(duration)
	mean := meanEpisode(duration, float64(min(len(s.kinds), atOnce)))
	count := max(1, int(float64(room)/mean))
	if all := s.episodesToCover(); count < all && float64(room) >= mean/scaleOf(duration)*smallestScale*float64(all) {
		count = all
	}
	// Every mode is to have its turn: so many faults each episode needs, and so many episodes one more.
	least, more := s.uncovered()/count, s.uncovered()%count
	most := max(min(atOnce, len(s.kinds)), (len(s.kinds)+count-1)/count)
	episodes := make([]episode, count)
	for i := range episodes {
		needs := least
		if i < more {
			needs++
		}
		episodes[i] = drawEpisode(s, min(needs, most), most, rng)
	}
	fill(episodes, duration)
	return episodes
}

// roomOf is what a run has for episodes: all but the calm at its end.
func roomOf(duration time.Duration) time.Duration { return duration - duration/closingPart }

// scaleOf is how much shorter faults and calm are in a short run.
func scaleOf(duration time.Duration) float64 {
	return min(1, max(smallestScale, float64(duration)/float64(fullLength)))
}

// meanEpisode is how long an episode is on average, with the calm before it, that has so many faults.
func meanEpisode(duration time.Duration, faults float64) float64 {
	overlap := 1 + secondFaultLength*(faults-1)
	return scaleOf(duration) * (float64(minFault+maxFault)/2*overlap + float64(minCalm+maxCalm)/2)
}

// fill stretches or squeezes the episodes to fill the room.
func fill(episodes []episode, duration time.Duration) {
	var total time.Duration
	for _, e := range episodes {
		total += e.calm + e.length
	}
	for i := range episodes {
		episodes[i].stretch(float64(roomOf(duration)) / float64(total))
	}
}

func drawEpisode(s *supply, needs, most int, rng *rand.Rand) episode {
	count := 1
	for count < most && (rng.Float64() < secondFaultLikelihood || count < needs) {
		count++
	}
	e := episode{calm: drawBetween(minCalm, maxCalm, rng)}
	var end time.Duration
	for _, p := range s.take(count) {
		p.to = drawBetween(minFault, maxFault, rng)
		if end > 0 { // It begins while the one before stands, and may end before it or after.
			p.from = time.Duration((0.2 + 0.5*rng.Float64()) * float64(end))
			p.to += p.from
		}
		if p.mode.instant {
			p.to = p.from + instantLength
		}
		end = p.to
		e.length = max(e.length, p.to)
		e.faults = append(e.faults, p)
	}
	for _, r := range s.instant {
		if s.always || r.covered < len(r.modes) || rng.Float64() < instantLikelihood {
			e.addInstant(span{kind: r.kind, mode: r.next(rng)}, rng)
		}
	}
	return e
}

// addInstant has a fault that is over at once come before the others, which may follow on its heels, or amid the first.
func (e *episode) addInstant(p span, rng *rand.Rand) {
	if rng.IntN(2) == 0 {
		p.from = time.Duration((0.2 + 0.5*rng.Float64()) * float64(e.faults[0].to))
	} else {
		for i := range e.faults {
			e.faults[i].from += instantAhead
			e.faults[i].to += instantAhead
		}
		e.length += instantAhead
	}
	p.to = p.from + instantLength
	e.length = max(e.length, p.to)
	e.faults = append(e.faults, p)
}

func (e *episode) stretch(by float64) {
	stretched := func(d time.Duration) time.Duration { return time.Duration(by * float64(d)).Truncate(time.Millisecond) }
	e.calm, e.length = stretched(e.calm), stretched(e.length)
	for i := range e.faults {
		e.faults[i].from, e.faults[i].to = stretched(e.faults[i].from), stretched(e.faults[i].to)
	}
}

// drawBetween draws a duration from low to high.
func drawBetween(low, high time.Duration, rng *rand.Rand) time.Duration {
	return low + time.Duration(rng.Int64N(int64(high-low)+1))
}

// steps lays the episodes one after the other and draws what each fault does.
func steps(episodes []episode, nodes []string, rng *rand.Rand) []Step {
	var result []Step
	var at time.Duration
	id := 0
	for _, e := range episodes {
		at += e.calm
		for _, f := range e.faults {
			id++
			inject := Step{At: at + f.from, ID: id, Fault: f.kind.name(), Mode: f.mode.name, Phase: PhaseInject, Parameters: f.mode.parameters}
			if f.mode.choose != nil {
				inject.fill(f.mode.choose(draw{mode: f.mode.name, nodes: nodes, rng: rng, parameters: f.mode.parameters}))
			}
			heal := Step{At: at + f.to, ID: id, Fault: f.kind.name(), Mode: f.mode.name, Phase: PhaseHeal}
			result = append(result, inject)
			if f.mode.turns {
				result = append(result, turns(inject, heal, rng)...)
			}
			result = append(result, heal)
		}
		at += e.length
	}
	slices.SortStableFunc(result, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return result
}

// turns are the changes of a fault that changes while it stands.
func turns(inject, heal Step, rng *rand.Rand) []Step {
	var result []Step
	every := min(drawBetween(minTurn, maxTurn, rng), (heal.At-inject.At)/3)
	for at := inject.At + every; at+every/2 < heal.At; at += every {
		result = append(result, Step{At: at, ID: inject.ID, Fault: inject.Fault, Mode: inject.Mode, Phase: PhaseTurn})
	}
	return result
}

// supply hands out modes: for each kind one round after the other, the first in the catalogue's order, later ones shuffled.
type supply struct {
	kinds   []*rounds
	instant []*rounds // all of whose modes are over at once
	always  bool      // they come in every episode
	rng     *rand.Rand
}

type rounds struct {
	kind    kind
	modes   []mode
	left    []mode // of this round
	covered int    // modes that had their turn, of the first round
	taken   int
}

func newSupply(specs []Spec, nodes int, rng *rand.Rand) (*supply, error) {
	s := &supply{rng: rng}
	for _, spec := range specs {
		k, ok := findKind(spec.Fault)
		if !ok {
			return nil, fmt.Errorf("faults: there is no fault %q; there are: %s", spec.Fault, kindNames())
		}
		modes, err := suitable(k, spec, nodes)
		if err != nil {
			return nil, err
		}
		s.add(k, modes)
	}
	for _, r := range s.kinds {
		r.sort()
		r.left = slices.Clone(r.modes)
		if !slices.ContainsFunc(r.modes, func(m mode) bool { return !m.instant }) {
			s.instant = append(s.instant, r)
		}
	}
	s.kinds = slices.DeleteFunc(s.kinds, func(r *rounds) bool { return slices.Contains(s.instant, r) })
	return s, nil
}

// suitable lists the modes that a spec asks for and that the number of nodes allows. Without a mode they are those that take all
// of the spec's parameters.
func suitable(k kind, spec Spec, nodes int) ([]mode, error) {
	if spec.Mode != "" {
		m, ok := findMode(k, spec.Mode)
		if !ok {
			return nil, fmt.Errorf("faults: %s has no mode %q; it has: %s", k.name(), spec.Mode, modeNames(k))
		}
		if nodes < m.needs {
			return nil, fmt.Errorf("faults: %s needs at least %d nodes, and there are %d", spec, m.needs, nodes)
		}
		if set := spec.Parameters[nodesParameter]; isNobody(set, nodes) {
			return nil, fmt.Errorf("faults: %s: a %s of %d nodes is nobody", spec, set, nodes)
		}
		m.parameters = spec.Parameters
		return []mode{m}, nil
	}
	var modes []mode
	for _, m := range k.modes() {
		m.parameters = spec.Parameters
		if m.suits(k, nodes, spec.Parameters) && m.of == nothingMore {
			modes = append(modes, m)
		}
	}
	if len(modes) == 0 {
		if len(spec.Parameters) > 0 {
			return nil, fmt.Errorf("faults: %s: no mode that suits %d nodes takes all these parameters", spec, nodes)
		}
		return nil, fmt.Errorf("faults: %s needs more than %d nodes", spec, nodes)
	}
	return modes, nil
}

func (s *supply) add(k kind, modes []mode) {
	i := slices.IndexFunc(s.kinds, func(r *rounds) bool { return r.kind.name() == k.name() })
	if i < 0 {
		i = len(s.kinds)
		s.kinds = append(s.kinds, &rounds{kind: k})
	}
	r := s.kinds[i]
	for _, m := range modes {
		if !slices.ContainsFunc(r.modes, func(have mode) bool { return have.name == m.name && maps.Equal(have.parameters, m.parameters) }) {
			r.modes = append(r.modes, m)
		}
	}
}

// sort puts the modes into the catalogue's order.
func (r *rounds) sort() {
	rank := func(m mode) int {
		return slices.IndexFunc(r.kind.modes(), func(k mode) bool { return k.name == m.name })
	}
	slices.SortFunc(r.modes, func(a, b mode) int { return cmp.Compare(rank(a), rank(b)) })
}

// uncovered counts the modes that had no turn yet.
func (s *supply) uncovered() int {
	n := 0
	for _, r := range s.kinds {
		n += len(r.modes) - r.covered
	}
	return n
}

// episodesToCover is how many episodes give every mode its turn, if none has more than one fault of a kind.
func (s *supply) episodesToCover() int {
	most := min(atOnce, len(s.kinds))
	n := (s.uncovered() + most - 1) / most
	for _, r := range s.kinds {
		n = max(n, len(r.modes)-r.covered)
	}
	return n
}

// take draws count modes of as many kinds: those that had no turn yet, those with the most modes to cover, then those that had the fewest turns; which comes
// first is drawn.
func (s *supply) take(count int) []span {
	order := slices.Clone(s.kinds)
	s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortStableFunc(order, func(a, b *rounds) int {
		return cmp.Or(cmp.Compare(min(a.taken, 1), min(b.taken, 1)), cmp.Compare(len(b.modes)-b.covered, len(a.modes)-a.covered), cmp.Compare(a.taken, b.taken))
	})
	order = order[:count]
	s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	spans := make([]span, count)
	for i, r := range order {
		spans[i] = span{kind: r.kind, mode: r.next(s.rng)}
	}
	return spans
}

func (r *rounds) next(rng *rand.Rand) mode {
	if len(r.left) == 0 {
		r.left = slices.Clone(r.modes)
		rng.Shuffle(len(r.left), func(i, j int) { r.left[i], r.left[j] = r.left[j], r.left[i] })
	}
	m := r.left[0]
	r.left = r.left[1:]
	r.taken++
	r.covered = min(r.taken, len(r.modes))
	return m
}
