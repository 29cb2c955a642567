package checker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// possibleStates are the states the object may have been in, in any legal order of the operations, at the moment at which
// the last of them that returned did: what it saw, or needed, is none of them. nil: not known, or none.
func possibleStates(m *Model, few []*history.Operation, last *history.Operation) []string {
	b := newBounds(context.Background(), possibleMemory)
	defer b.release()
	machine := machineOf(m, few)
	f := &frontier{m: machine, b: b, ops: few, lastPut: make(map[uint64]int32)}
	events := f.events()
	f.prepare(m, events)
	for _, e := range events {
		i := int(e >> 1)
		switch {
		case e&1 == 0:
			f.call(i)
			continue
		case few[i] != last:
			if !f.ret(i) || len(f.rows) == 0 {
				return nil
			}
			continue
		}
		slot := f.slotOf[i]
		if !f.lead(1+int(slot/64), 1<<(slot%64)) || len(f.rows) > 0 {
			return nil // it is not this one that has no place
		}
		var states []string
		for at := 0; at < len(f.found); at += f.stride {
			text := m.stateText(machine, state(f.found[at]))
			if !slices.Contains(states, text) {
				states = append(states, text)
			}
		}
		slices.Sort(states)
		return states
	}
	return nil
}

// possibleMemory bounds the search, in bytes; it is for few operations.
const possibleMemory = 64 << 20

// stateText is a state for people.
func (m *Model) stateText(machine machine, s state) string {
	if g, ok := machine.(*generalMachine); ok && m.describe != nil {
		return m.describe(g.states[s])
	}
	return machine.describe(s)
}

// mostStates are told; more help nobody.
const mostStates = 4

// fitsNowhere says of the last operation that it fits none of the states there may have been.
func fitsNowhere(m *Model, few []*history.Operation) string {
	last := lastReturned(few)
	if last.Type != history.OK || len(few) < 2 {
		return ""
	}
	states := possibleStates(m, few, last)
	if len(states) == 0 {
		return ""
	}
	told := strings.Join(states[:min(len(states), mostStates)], " or ")
	if more := len(states) - mostStates; more > 0 {
		told += fmt.Sprintf(" or one of %d more", more)
	}
	others := "the other operation allows"
	if len(few) > 2 {
		others = fmt.Sprintf("the %d other operations here allow", len(few)-1)
	}
	return fmt.Sprintf("%s's %s fits nothing that %s: while it was under way the %s can only have been %s", process(last), describeOperation(last), others, m.noun(), told)
}

// noun is what the model's object is called.
func (m *Model) noun() string {
	if m.object != "" {
		return m.object
	}
	return "state"
}
