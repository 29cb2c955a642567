package shrink

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/sim"
)

const (
	// enough is to how many events a case is small: no other run is looked for that might be smaller still.
	enough = 8
	// mostRestarts is how many other runs in a row are made without a gain before the search ends, where no budget ends it.
	mostRestarts = 1000
)

// restart looks for other runs with the same violation, and makes these small: what nothing can be left out of any more may be large all the
// same, where each of its events happens to keep the others' times as they have to be. Other runs are those of the plan that the case came from,
// with other chance and part of its faults.
func (s *shrinker) restart(origin sim.Plan) {
	random := rand.New(rand.NewPCG(origin.Seed, 0x72657374617274))
	for fruitless := 0; s.best.Events() > enough && fruitless < mostRestarts && s.ctx.Err() == nil && s.err == nil; fruitless++ {
		c, found := s.other(origin, random)
		if !found {
			continue
		}
		other := &shrinker{ctx: s.ctx, best: c, progress: func(int, int) {}}
		if err := other.writeOut(); err == nil {
			other.reduce()
		}
		s.runs += other.runs
		if !other.best.Whole && other.size() < s.size() && other.err == nil {
			s.best, fruitless = other.best, 0
			s.progress(s.best.Events(), s.runs)
		}
	}
}

// other makes a run of part of a plan, and writes it down if it has the violation that is looked for.
func (s *shrinker) other(origin sim.Plan, random *rand.Rand) (Case, bool) {
	p := part(origin, random)
	s.runs++
	r, err := sim.Run(s.ctx, sim.Options{Plan: p, NoInvariants: s.best.NoInvariants})
	if err != nil || !ViolationOf(&r).Same(s.best.Violation) {
		return Case{}, false
	}
	c, _, err := Record(s.ctx, sim.Options{Plan: p, NoInvariants: s.best.NoInvariants})
	c.Version, c.Mutant = s.best.Version, s.best.Mutant
	return c, err == nil
}

// part is a plan with other chance, and with some of what goes wrong in it only.
func part(origin sim.Plan, random *rand.Rand) sim.Plan {
	p := clonePlan(origin)
	p.Seed = random.Uint64()
	keep := 1 + random.IntN(4) // of four
	for _, odds := range []*uint32{&p.Client.Breaks, &p.Network.Loss, &p.Network.Repeat, &p.Network.Overtake, &p.Network.Slow, &p.Disk.PowerLoss,
		&p.Disk.Failure, &p.Disk.Slow} {
		if random.IntN(4) >= keep {
			*odds = 0
		}
	}
	kept := p.Injections[:0]
	for _, in := range p.Injections {
		if random.IntN(4) < keep {
			kept = append(kept, in)
		}
	}
	p.Injections = kept
	for range random.IntN(3) {
		p.Duration = max(p.Duration/2, p.Node.ElectionTimeout)
		p.Rate /= 1 + random.Float64()
	}
	return p
}
