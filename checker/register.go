package checker

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/history"
)

// Register is one value with get, put and cas (compare-and-set), nil before the first write.
//
//	get: output is the value, nil when there is none. get-index, get-log and get-lease are the same, and say how the system
//	was asked to read.
//	put: input is the new value.
//	cas: input is [old, new]; output is the value it saw. It swapped exactly when that is old; old nil expects no value.
func Register() Model {
	return Model{
		Name:     "cas-register",
		object:   "register",
		Init:     func() any { return "null" },
		Step:     registerStep,
		ReadOnly: func(op *history.Operation) bool { return isGet(op.F) },
		Check:    registerCheck,
		compile:  compileRegister,
		pure:     registerPure,
		values:   registerMention,
		explain:  explainRegister,
	}
}

// isGet tells the reads that promise the latest value.
func isGet(f string) bool {
	return f == "get" || f == "get-index" || f == "get-log" || f == "get-lease"
}

func registerCheck(op *history.Operation) error {
	switch {
	case op.F == "put", isGet(op.F):
		return nil
	case op.F == "cas":
		if _, _, ok := op.Input.AsPair(); !ok {
			return fmt.Errorf("cas needs the input [old, new], not %v", op.Input)
		}
		return nil
	}
	return fmt.Errorf("a register has get, put and cas, not %q", op.F)
}

// registerStep keeps the value's JSON as state. Checking uses the compiled form; this one is the model as users see it.
func registerStep(_ context.Context, s any, op *history.Operation) (any, bool) {
	text := func(v history.Value) any { return string(v.AppendJSON(nil)) }
	known := op.Type == history.OK
	switch {
	case isGet(op.F):
		return s, !known || s == text(op.Output)
	case op.F == "put":
		return text(op.Input), true
	}
	old, new, _ := op.Input.AsPair()
	if known && s != text(op.Output) {
		return s, false
	}
	if s == text(old) {
		return text(new), true
	}
	return s, true
}

// registerPure tells reads: get, a cas that did not swap, and one that swaps a value for itself.
func registerPure(op *history.Operation) bool {
	if op.F != "cas" {
		return isGet(op.F)
	}
	old, new, _ := op.Input.AsPair()
	return old.Equal(new) || op.Type == history.OK && !op.Output.Equal(old)
}

type registerKind uint8

const (
	registerGet registerKind = iota
	registerPut
	registerCAS
)

// registerOp is an operation on a register with its values numbered.
type registerOp struct {
	kind     registerKind
	crashed  bool
	old, new uint32 // put: new; cas: both
	saw      uint32 // get and cas: the output
}

type registerMachine struct {
	ops    []registerOp
	values *interner
}

func compileRegister(ops []*history.Operation) machine {
	m := &registerMachine{ops: make([]registerOp, len(ops)), values: newInterner()}
	for i, op := range ops {
		m.ops[i] = m.compile(op)
	}
	return m
}

func (m *registerMachine) compile(op *history.Operation) registerOp {
	c := registerOp{crashed: op.Type != history.OK}
	if !c.crashed {
		c.saw = m.values.number(op.Output)
	}
	switch {
	case isGet(op.F):
		c.kind = registerGet
	case op.F == "put":
		c.kind = registerPut
		c.new = m.values.number(op.Input)
	default:
		c.kind = registerCAS
		old, new, _ := op.Input.AsPair()
		c.old, c.new = m.values.number(old), m.values.number(new)
	}
	return c
}

func (m *registerMachine) init() state { return 0 }

func (m *registerMachine) step(_ context.Context, s state, i int) (state, bool) {
	op := &m.ops[i]
	switch op.kind {
	case registerGet:
		return s, op.crashed || uint32(s) == op.saw
	case registerPut:
		return state(op.new), true
	}
	if !op.crashed && uint32(s) != op.saw {
		return s, false
	}
	if uint32(s) == op.old {
		return state(op.new), true
	}
	return s, true
}

func (m *registerMachine) describe(s state) string { return m.values.values[s].String() }
