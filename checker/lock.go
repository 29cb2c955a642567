package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/history"
)

// Lock is held by one client at a time.
//
//	acquire: input names the client; output is the fencing token, an integer, or nil where the system gives none. Tokens
//	grow from one acquisition to the next; the first may be any.
//	release: input names the client; possible only for the client that holds the lock.
//	read: output names the client that holds the lock, nil when nobody does.
func Lock() Model {
	return Model{
		Name:   "lock",
		object: "lock",
		Init:   func() any { return lockState{} },
		Step:   lockStep,
		Check:  lockCheck,
		exact:  decideLock,

		ReadOnly: func(op *history.Operation) bool { return op.F == "read" },
		describe: describeLock,
		explain:  explainLock,
	}
}

// lockState is who holds the lock ("": nobody), and the last token, if there was one.
type lockState struct {
	holder string
	token  int64
	fenced bool
}

func describeLock(s any) string {
	state := s.(lockState)
	if state.holder == "" {
		return "held by nobody"
	}
	if !state.fenced {
		return "held by " + state.holder
	}
	return fmt.Sprintf("held by %s, token %d", state.holder, state.token)
}

func lockCheck(op *history.Operation) error {
	if op.F == "read" {
		return nil
	}
	if op.F != "acquire" && op.F != "release" {
		return fmt.Errorf("a lock has acquire, release and read, not %q", op.F)
	}
	if op.Input.IsNil() {
		return fmt.Errorf("%s needs the client's name as input", op.F)
	}
	if k := op.Output.Kind(); op.F == "acquire" && op.Type == history.OK && k != history.KindNil && k != history.KindInt {
		return fmt.Errorf("a fencing token is an integer, not %v", op.Output)
	}
	return nil
}

func lockStep(_ context.Context, s any, op *history.Operation) (any, bool) {
	state := s.(lockState)
	client, known := valueID(op.Input), op.Type == history.OK
	if op.F == "read" {
		return s, !known || state.holder == holderID(op.Output)
	}
	if op.F == "release" {
		if state.holder != client {
			return s, !known
		}
		return lockState{token: state.token, fenced: state.fenced}, true
	}
	if state.holder != "" {
		return s, !known
	}
	if token, ok := op.Output.AsInt(); known && ok {
		return lockState{client, token, true}, !state.fenced || token > state.token
	}
	return lockState{client, state.token, state.fenced}, true
}

// holderID is a client as lockState has it.
func holderID(client history.Value) string {
	if client.IsNil() {
		return ""
	}
	return valueID(client)
}

// hold is an acquisition with its release and the reads that saw it, or a read that saw nobody hold the lock.
type hold struct {
	acquire, release int32 // release: noOperation where there is none; of a read of nobody, acquire is the read
	span
}

// decideLock is exact when each client's operations follow one another, acquire and release by turns, all acquisitions
// are certain, and either all have a token or none. With tokens the order of the holds is known. Without, one hold must
// come before another when something of it returned before something of the other was called, and as with the chains of a
// register it is enough to look at two at a time. A hold that is not released lasts for ever; a release that crashed
// returns at the end of time. A read belongs to the hold it saw; one that saw nobody is between the holds.
func decideLock(_ *bounds, ops []*history.Operation) (Verdict, []int32, string, bool) {
	holds, tokens, ok := pairHolds(ops)
	if !ok {
		return Unknown, nil, "", false
	}
	free, conflict, ok := placeReads(ops, holds)
	if !ok || conflict != nil {
		return verdictOf(conflict), conflict, byHolds, ok
	}
	for i := range holds {
		if holds[i].release == noOperation {
			holds[i].lastCall, holds[i].lastCallOp = history.Forever, holds[i].acquire
		}
	}
	if tokens {
		if conflict = holdsByToken(ops, holds); conflict == nil {
			conflict = freeBetween(holds, free)
		}
		return verdictOf(conflict), conflict, byTokens, true
	}
	var zones []zone
	holds = append(holds, free...)
	for i, h := range holds {
		zones = append(zones, zone{head: int32(i), span: h.span})
	}
	a, b, found := conflictingZones(zones)
	if !found {
		return Valid, nil, byHolds, true
	}
	return Invalid, holdOperations(holds[a.head], holds[b.head]), byHolds, true
}

func verdictOf(conflict []int32) Verdict {
	if conflict != nil {
		return Invalid
	}
	return Valid
}

func holdOperations(holds ...hold) []int32 {
	var ops []int32
	for _, h := range holds {
		ops = append(ops, h.acquire, h.firstReturnOp, h.lastCallOp)
		if h.release != noOperation {
			ops = append(ops, h.release)
		}
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// pairHolds joins acquisitions with releases; tokens tells that each has one.
func pairHolds(ops []*history.Operation) (holds []hold, tokens, ok bool) {
	held := make(map[string]int) // client to its last hold
	withToken := 0
	for i, op := range ops {
		if op.F == "read" {
			continue
		}
		i, client := int32(i), valueID(op.Input)
		n, any := held[client]
		if any && !follows(ops, holds[n], op) {
			return nil, false, false
		}
		open := any && holds[n].release == noOperation
		if op.F == "release" {
			if !open {
				return nil, false, false
			}
			holds[n].release = i
			holds[n].add(op, i)
			continue
		}
		if open || op.Type != history.OK {
			return nil, false, false
		}
		if _, has := op.Output.AsInt(); has {
			withToken++
		}
		h := hold{acquire: i, release: noOperation, span: emptySpan()}
		h.add(op, i)
		held[client] = len(holds)
		holds = append(holds, h)
	}
	return holds, withToken > 0, withToken == 0 || withToken == len(holds)
}

// follows tells whether an operation was called after the client's operations before it had returned.
func follows(ops []*history.Operation, h hold, op *history.Operation) bool {
	last := h.acquire
	if h.release != noOperation {
		last = h.release
	}
	return returned(ops[last]) < op.Call
}

// holdsByToken checks the holds in the order of their tokens.
func holdsByToken(ops []*history.Operation, holds []hold) (conflict []int32) {
	token := func(h hold) int64 {
		t, _ := ops[h.acquire].Output.AsInt()
		return t
	}
	slices.SortFunc(holds, func(a, b hold) int { return cmp.Compare(token(a), token(b)) })
	before, last := emptySpan(), 0 // of the holds before, and which of them was called last
	for i, h := range holds {
		if i > 0 && token(h) == token(holds[i-1]) {
			return holdOperations(holds[i-1], h)
		}
		if h.firstReturn < before.lastCall {
			return holdOperations(holds[last], h)
		}
		if h.lastCall > before.lastCall {
			last = i
		}
		before.join(h.span)
	}
	return nil
}

func explainLock(ops []*history.Operation) string {
	holds, tokens, ok := pairHolds(ops)
	if !ok || len(holds) != 2 {
		return ""
	}
	a, b := holds[0], holds[1]
	if ops[b.acquire].Return < ops[a.acquire].Return {
		a, b = b, a
	}
	one, two := ops[a.acquire], ops[b.acquire]
	switch {
	case tokens && one.Output.Equal(two.Output):
		return fmt.Sprintf("%s and %s acquired the lock with the same token %v", process(one), process(two), one.Output)
	case a.release == noOperation || returned(ops[b.acquire]) < ops[a.release].Call:
		return fmt.Sprintf("%s acquired the lock while %s held it", process(two), process(one))
	case tokens:
		return fmt.Sprintf("%s acquired the lock with token %v, and %s with %v after it", process(one), one.Output, process(two), two.Output)
	}
	return fmt.Sprintf("%s and %s held the lock at the same time", process(one), process(two))
}
