package checker

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/history"
)

// Model is the sequential specification of one object. Its functions must be pure and may be called from several
// goroutines at once.
type Model struct {
	Name string
	// Init is the state of the object before its first operation. States are compared with ==.
	Init func() any
	// Step applies one operation: ok tells whether the state allows it with the output it had. An operation of type
	// history.Info has no known output and must be possible in every state. A step that runs long must return when
	// the context ends; what it returns then does not matter.
	Step func(ctx context.Context, state any, op *history.Operation) (next any, ok bool)
	// ReadOnly tells operations that never change the state. Optional.
	ReadOnly func(op *history.Operation) bool
	// Check says why Step cannot judge an operation: an unknown F, an argument of the wrong shape. Optional.
	Check func(op *history.Operation) error

	// compile is a faster form of Init and Step for the operations of one object; nil: made from them.
	compile func(ops []*history.Operation) machine
	// exact decides the operations of one object without a search; ok is false where it does not apply, and
	// the verdict Unknown where the bounds stop it. For an illegal object it may return operations that are illegal together, by number. nil: there is no such way.
	exact func(b *bounds, ops []*history.Operation) (verdict Verdict, conflict []int32, by string, ok bool)
	// pure tells operations that change no state that allows them with their output; nil: those of ReadOnly.
	pure func(op *history.Operation) bool
	// values tells what values an operation names, for the reduction of evidence; nil: unknown.
	values func(op *history.Operation) mention
	// project makes, for the operations of one object, what an operation would be without some values, by their JSON; false:
	// their values cannot be told apart, and must all stay. nil: operations stay as they are.
	project  func(ops []*history.Operation) (projection, bool)
	object   string                 // what it is called in words: "register"
	describe func(state any) string // a state for people; nil: as fmt prints it
	// explain says in words why the operations, few and illegal together, have no legal order; nil: no special words.
	explain func(ops []*history.Operation) string
}

// projection is an operation as it would be without some values, by their JSON.
type projection func(op *history.Operation, gone map[string]bool) *history.Operation

// state is the number of a model's state.
type state uint32

// machine is a model made ready for the operations of one object.
type machine interface {
	init() state
	// step applies operation i.
	step(ctx context.Context, s state, i int) (next state, ok bool)
	// describe is the state for people.
	describe(s state) string
}

// machineOf compiles the model for the operations.
func machineOf(m *Model, ops []*history.Operation) machine {
	if m.compile != nil {
		return m.compile(ops)
	}
	g := &generalMachine{model: m, ops: ops, numbers: make(map[any]state)}
	g.number(m.Init())
	return g
}

// generalMachine numbers the states of any model in the order they appear. It is used by one goroutine.
type generalMachine struct {
	model   *Model
	ops     []*history.Operation
	states  []any
	numbers map[any]state
	bytes   int64 // of the states, if they are strings
}

func (g *generalMachine) init() state { return 0 }

func (g *generalMachine) step(ctx context.Context, s state, i int) (state, bool) {
	next, ok := g.model.Step(ctx, g.states[s], g.ops[i])
	if !ok {
		return 0, false
	}
	return g.number(next), true
}

func (g *generalMachine) number(s any) state {
	n, ok := g.numbers[s]
	if !ok {
		n = state(len(g.states))
		g.states = append(g.states, s)
		g.numbers[s] = n
		if text, ok := s.(string); ok {
			g.bytes += int64(len(text))
		}
	}
	return n
}

func (g *generalMachine) describe(s state) string { return fmt.Sprint(g.states[s]) }

// describeOperation is an operation for people: "put 42", "cas 1 2 -> 7", "get -> nil".
func describeOperation(op *history.Operation) string {
	if op.F == "txn" {
		if text, ok := describeTransaction(op); ok {
			return text
		}
	}
	text := op.F
	if in := op.Input; !in.IsNil() {
		if a, b, ok := in.AsPair(); ok {
			text += " " + a.String() + " " + b.String()
		} else {
			text += " " + in.String()
		}
	}
	switch {
	case op.Type == history.Fail:
		return text + " -> failed"
	case op.Type != history.OK:
		return text + " -> ?"
	}
	if op.Input.IsNil() || !op.Output.IsNil() {
		text += " -> " + op.Output.String()
	}
	return text
}
