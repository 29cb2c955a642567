package checker

import (
	"context"
	"fmt"

	"github.com/anishathalye/porcupine"
	"github.com/ordeal-dev/ordeal/history"
)

// search is one run of porcupine over one object: the model with a brake. Porcupine itself knows no limit of memory and
// starts a goroutine a partition, so it is given one object at a time, and each of its steps looks at the bounds. Once
// they are reached no step is possible any more and the search ends by itself, soon and with nothing left running.
type search struct {
	m      machine
	b      *bounds
	entry  int64 // bytes of one entry of porcupine's memory
	steps  int64 // left; 0 from the start: no limit
	states int64 // bytes of the model's states so far
	boxes  []any // states as porcupine wants them, made once
}

// Porcupine's memory, in bytes: for each operation its entries and list nodes, and for each configuration it remembers a
// map slot, a bucket and a bit set as long as the object's history.
const (
	porcupineOperation     = 600
	porcupineConfiguration = 160
)

// porcupineNeeds is the least porcupine takes for n operations: it remembers one configuration for each step of even the
// luckiest search.
func porcupineNeeds(n int) int64 {
	return int64(n) * (porcupineOperation + configurationSize(n))
}

func configurationSize(n int) int64 { return porcupineConfiguration + int64(n)/8*9/8 }

// decidePorcupine asks porcupine, which may take some steps (0: any number). When the bounds stop it the verdict is
// Unknown.
func decidePorcupine(b *bounds, ops []*history.Operation, m machine, steps int64) Verdict {
	if !b.fits(porcupineNeeds(len(ops))) {
		return Unknown
	}
	before := b.used
	defer func() { b.used = before }()
	b.charge(int64(len(ops)) * porcupineOperation)
	s := &search{m: m, b: b, entry: configurationSize(len(ops)), steps: steps}
	legal := porcupine.CheckOperations(s.model(), porcupineOperations(ops))
	switch {
	case b.ended():
		return Unknown
	case legal:
		return Valid
	}
	return Invalid
}

func (s *search) model() porcupine.Model {
	return porcupine.Model{
		Init:        func() any { return s.box(s.m.init()) },
		StepContext: s.step,
		Equal:       s.equal,
		Hash:        func(a any) uint64 { return mix(uint64(a.(state))) },
	}
}

// step is a step of the model. One of a user may panic, which must not end the program; ours are spared the guard, which costs
// as much as they do.
func (s *search) step(_ context.Context, from, input, _ any) (ok bool, next any) {
	if g, ok := s.m.(*generalMachine); ok {
		return s.guarded(g, from, int(*input.(*int32)))
	}
	to, ok := s.m.step(s.b.ctx, from.(state), int(*input.(*int32)))
	if s.last() || !ok || !s.b.charge(s.entry) {
		return false, from
	}
	return true, s.box(to)
}

// last tells whether the steps allowed are used up.
func (s *search) last() bool {
	if s.steps--; s.steps == 0 {
		s.b.give("not decided within the steps allowed")
	}
	return s.steps == 0
}

func (s *search) guarded(g *generalMachine, from any, i int) (ok bool, next any) {
	if s.last() || s.b.stopped() {
		return false, from
	}
	defer func() {
		if r := recover(); r != nil {
			s.b.give(fmt.Sprintf("the model panicked: %v", r))
			ok, next = false, from
		}
	}()
	to, ok := g.step(s.b.ctx, from.(state), i)
	more := g.bytes - s.states // what the states of the model took more
	s.states = g.bytes
	if !ok || !s.b.charge(s.entry+more) {
		return false, from
	}
	return true, s.box(to)
}

// equal is asked about configurations that agree in everything but perhaps the state. If that agrees too, the search has
// been here and remembers nothing new.
func (s *search) equal(a, b any) bool {
	if a.(state) != b.(state) {
		return false
	}
	s.b.charge(-s.entry)
	return true
}

func (s *search) box(n state) any {
	for len(s.boxes) <= int(n) {
		s.boxes = append(s.boxes, state(len(s.boxes)))
	}
	return s.boxes[n]
}

// mix spreads the bits of a number (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// porcupineOperations are the operations as porcupine wants them; inputs point to the operation's number. One that
// crashed returns at the end of time: porcupine calls a history without its return illegal.
func porcupineOperations(ops []*history.Operation) []porcupine.Operation {
	numbers := make([]int32, len(ops))
	out := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		numbers[i] = int32(i)
		out[i] = porcupine.Operation{ClientId: op.Process, Input: &numbers[i], Call: int64(op.Call), Return: int64(returned(op))}
	}
	return out
}
