package checker

import (
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// registerMention tells what values an operation on a register has to do with.
func registerMention(op *history.Operation) mention {
	switch {
	case isGet(op.F):
		return mention{names: []history.Value{op.Output}}
	case op.F == "put":
		return mention{names: []history.Value{op.Input}, writes: []history.Value{op.Input}}
	}
	old, new, _ := op.Input.AsPair()
	switch {
	case op.Type != history.OK:
		return mention{names: []history.Value{old, new}, writes: []history.Value{new}}
	case op.Output.Equal(old):
		return mention{names: []history.Value{old, new}, writes: []history.Value{new}}
	}
	return mention{names: []history.Value{op.Output}}
}

// explainRegister looks for the conflicts a person sees at once: a value nobody wrote, one read before it was written,
// one read after another had surely replaced it.
func explainRegister(ops []*history.Operation) string {
	for _, say := range []func(read *history.Operation, v history.Value, ops []*history.Operation) string{neverWritten, notYetWritten, replaced, olderThanRead, swappedTwice} {
		for _, op := range ops {
			if v, ok := sawInRegister(op); ok {
				if text := say(op, v, ops); text != "" {
					return text
				}
			}
		}
	}
	return ""
}

// sawInRegister is the value an operation saw.
func sawInRegister(op *history.Operation) (history.Value, bool) {
	return op.Output, op.Type == history.OK && op.F != "put"
}

// writesOf are the operations that wrote v, or may have.
func writesOf(v history.Value, ops []*history.Operation) []*history.Operation {
	var found []*history.Operation
	for _, op := range ops {
		if slices.ContainsFunc(registerMention(op).writes, v.Equal) {
			found = append(found, op)
		}
	}
	return found
}

func neverWritten(read *history.Operation, v history.Value, ops []*history.Operation) string {
	if v.IsNil() || len(writesOf(v, ops)) > 0 {
		return ""
	}
	return fmt.Sprintf("%s, which nobody had written", didRead(read, v))
}

func notYetWritten(read *history.Operation, v history.Value, ops []*history.Operation) string {
	writes := writesOf(v, ops)
	if v.IsNil() || slices.ContainsFunc(writes, func(w *history.Operation) bool { return w.Call <= read.Return && w != read }) {
		return ""
	}
	if writes[0] == read {
		return fmt.Sprintf("%s, the value only it writes", didRead(read, v))
	}
	return fmt.Sprintf("%s before %s invoked its write of it", didRead(read, v), process(writes[0]))
}

// replaced finds a read of a value after a write that surely came after all writes of that value had returned.
func replaced(read *history.Operation, v history.Value, ops []*history.Operation) string {
	for _, w := range ops {
		if w.Type != history.OK || w.Return >= read.Call || w == read {
			continue
		}
		writes := registerMention(w).writes
		if len(writes) == 0 || writes[0].Equal(v) || !allWrittenBefore(v, w.Call, ops) {
			continue
		}
		return fmt.Sprintf("%s after %s's write of %v had returned", didRead(read, v), process(w), writes[0])
	}
	return ""
}

// allWrittenBefore tells whether every write of v had surely taken effect at a time: it had returned, or it is the only
// one and somebody had seen v. The absence of a value, nil, was there before all.
func allWrittenBefore(v history.Value, at time.Duration, ops []*history.Operation) bool {
	writes := writesOf(v, ops)
	for _, w := range writes {
		if returned(w) >= at && (len(writes) > 1 || !seenBefore(v, at, ops)) {
			return false
		}
	}
	return true
}

func seenBefore(v history.Value, at time.Duration, ops []*history.Operation) bool {
	return slices.ContainsFunc(ops, func(op *history.Operation) bool {
		saw, ok := sawInRegister(op)
		return ok && saw.Equal(v) && op.Return < at
	})
}

// olderThanRead finds a read of v after another read of u, when every write of v had returned before that one began: u
// had replaced v, and nothing brings v back.
func olderThanRead(read *history.Operation, v history.Value, ops []*history.Operation) string {
	for _, before := range ops {
		u, ok := sawInRegister(before)
		if !ok || before.Return >= read.Call || u.Equal(v) || !allWrittenBefore(v, before.Call, ops) {
			continue
		}
		if wrote := registerMention(before).writes; len(wrote) > 0 && wrote[0].Equal(v) {
			continue
		}
		return fmt.Sprintf("%s after %s had read %v, which had replaced it", didRead(read, v), process(before), u)
	}
	return ""
}

// swappedTwice finds two that swapped the same value away, though it was written once.
func swappedTwice(one *history.Operation, v history.Value, ops []*history.Operation) string {
	if !swapped(one) || len(writesOf(v, ops)) > 1 {
		return ""
	}
	for _, other := range ops {
		if other != one && swapped(other) && other.Output.Equal(v) {
			return fmt.Sprintf("both %s's cas and %s's replaced %v, which was written once", process(one), process(other), v)
		}
	}
	return ""
}

// swapped tells a compare-and-set that surely changed the value.
func swapped(op *history.Operation) bool {
	old, new, ok := op.Input.AsPair()
	return op.F == "cas" && op.Type == history.OK && ok && op.Output.Equal(old) && !new.Equal(old)
}

func didRead(read *history.Operation, v history.Value) string {
	if read.F == "cas" {
		return fmt.Sprintf("%s's cas saw %v", process(read), v)
	}
	if v.IsNil() {
		return process(read) + " read nothing"
	}
	return fmt.Sprintf("%s read %v", process(read), v)
}
