package checker

import (
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// decideTexts is exact for a text that is put and appended to, where no two pieces can be taken for one another: no piece
// that is put or appended is the beginning of another. Such a text is a register whose values are written once. Each read
// shows which put the text began with and which appends followed, so the state after a piece that somebody saw is known
// by that piece; an append that was seen is a compare-and-set from the state before it, which it surely met. An append that
// nobody saw can only be the last before the next put, or before nothing: nobody looked at the text from it on until then,
// so it is a blind write. One that crashed as well can be left out. The chains of registers decide the rest.
func decideTexts(b *bounds, ops []*history.Operation) (Verdict, []int32, string, bool) {
	t := &textsDecision{appendsDecision: appendsDecision{ops: ops}}
	if !t.findPieces() {
		return Unknown, nil, "", false
	}
	if len(t.puts) == 0 {
		return decideAppends(b, ops)
	}
	verdict, conflict := inSteps(b, t.findPlaces)
	if verdict != Valid {
		return verdict, conflict, byChains, true
	}
	register, numbers := t.register()
	verdict, conflict, ok := decideChains(b, register, compileRegister(register).(*registerMachine))
	if !ok {
		return Unknown, nil, "", false
	}
	for n, i := range conflict {
		conflict[n] = numbers[i]
	}
	return verdict, t.withReaders(conflict), byChains, true
}

// textsDecision is the state of the check of one text with puts.
type textsDecision struct {
	appendsDecision
	before []int32   // by operation: of an append that was seen, the piece before it; noOperation: it was the first
	reader []int32   // by operation: a read that showed it, or noOperation
	shown  [][]int32 // by read: its pieces
}

// findPlaces takes each read apart and holds it against the others.
func (t *textsDecision) findPlaces() (conflict []int32) {
	t.before = slices.Repeat([]int32{noOperation}, len(t.ops))
	t.reader = slices.Repeat([]int32{noOperation}, len(t.ops))
	t.shown = make([][]int32, len(t.ops))
	for _, r := range t.reads {
		if conflict := t.takeApart(r); conflict != nil {
			return conflict
		}
	}
	return nil
}

func (t *textsDecision) takeApart(r int32) (conflict []int32) {
	last := noOperation
	for rest := t.text(r); rest != ""; {
		i, ok := t.next(rest)
		if !ok || last != noOperation && t.ops[i].F == "put" {
			return t.withReaders([]int32{r})
		}
		if t.ops[i].F == "append" {
			if other := t.reader[i]; other != noOperation && t.before[i] != last {
				return t.withReaders([]int32{r, other})
			}
			t.before[i] = last
		}
		if t.reader[i] == noOperation {
			t.reader[i] = r
		}
		t.shown[r] = append(t.shown[r], i)
		last, rest = i, strings.TrimPrefix(rest, t.piece(i))
	}
	return nil
}

// withReaders adds to operations a read that shows each append among them, and to reads what they show.
func (t *textsDecision) withReaders(ops []int32) []int32 {
	if len(ops) == 0 {
		return nil
	}
	all := slices.Clone(ops)
	for _, i := range ops {
		if r := t.reader[i]; r != noOperation {
			all = append(all, r)
		}
	}
	for _, i := range all {
		all = append(all, t.shown[i]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// register is the history as one of a register, and which operation each of its operations is. The value of a state is
// the number of its last piece.
func (t *textsDecision) register() (ops []*history.Operation, numbers []int32) {
	value := func(i int32) history.Value {
		if i == noOperation {
			return history.Nil
		}
		return history.Int(int64(i))
	}
	for n, op := range t.ops {
		i := int32(n)
		as := *op
		switch {
		case op.F == "get":
			as.Output = history.Nil
			if shown := t.shown[i]; len(shown) > 0 {
				as.Output = value(shown[len(shown)-1])
			}
		case op.F == "append" && t.reader[i] != noOperation:
			as.F, as.Input = "cas", history.List(value(t.before[i]), value(i))
			if op.Type == history.OK {
				as.Output = value(t.before[i])
			}
		case op.F == "append" && op.Type != history.OK:
			continue
		default:
			as.F, as.Input = "put", value(i)
		}
		ops, numbers = append(ops, &as), append(numbers, i)
	}
	return ops, numbers
}
