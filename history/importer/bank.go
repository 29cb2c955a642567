package importer

import (
	"slices"

	"github.com/ordeal-dev/ordeal/history"
)

// Bank is the history as the checker's model of banks takes it: Jepsen's transfers are maps, and its reads maps or the balances in order. A
// transfer from an account to itself changes nothing and is left out.
func Bank(h *history.History) *history.History {
	bank := WithReads(h)
	kept := bank.Operations[:0]
	for _, op := range bank.Operations {
		switch op.F {
		case "transfer":
			op.Input = transferInput(op.Input)
			if op.Output.Equal(op.Input) || op.Output.Kind() == history.KindList && transferInput(op.Output).Equal(op.Input) {
				op.Output = history.Nil // the argument again
			}
			if in, ok := op.Input.AsList(); ok && len(in) == 3 && in[0].Equal(in[1]) {
				continue
			}
		case "read":
			op.Output = balancesInOrder(op.Output)
		}
		kept = append(kept, op)
	}
	bank.Operations = kept
	return bank
}

// transferInput makes [from, to, amount] of a map, here a list of pairs.
func transferInput(v history.Value) history.Value {
	fields, ok := v.AsList()
	if !ok {
		return v
	}
	parts := make([]history.Value, 3)
	found := 0
	for _, f := range fields {
		name, value, pair := f.AsPair()
		text, isText := name.AsString()
		if !pair || !isText {
			return v
		}
		if i := slices.Index([]string{":from", ":to", ":amount"}, text); i >= 0 {
			parts[i] = value
			found++
		}
	}
	if found != len(parts) {
		return v
	}
	return history.List(parts...)
}

// balancesInOrder makes pairs of account and balance of a list of balances.
func balancesInOrder(v history.Value) history.Value {
	list, ok := v.AsList()
	if !ok || slices.ContainsFunc(list, func(b history.Value) bool { return b.Kind() != history.KindInt }) {
		return v
	}
	pairs := make([]history.Value, len(list))
	for i, b := range list {
		pairs[i] = history.List(history.Int(int64(i)), b)
	}
	return history.List(pairs...)
}

// Opened is the history in which each bank is opened: it is as it stands, or a read that had returned before the first
// transfer was invoked tells with what. It fails where a bank has neither.
func Opened(h *history.History) (*history.History, bool) {
	type bank struct {
		opened   bool
		transfer *history.Operation // the first that may have taken effect
		read     *history.Operation // the first that returned
	}
	banks := map[string]*bank{}
	var keys []string
	for i := range h.Operations {
		op := &h.Operations[i]
		b := banks[op.Key]
		if b == nil {
			b = &bank{}
			banks[op.Key] = b
			keys = append(keys, op.Key)
		}
		switch {
		case op.F == "open":
			b.opened = true
		case op.F == "transfer" && op.Type != history.Fail && (b.transfer == nil || op.Call < b.transfer.Call):
			b.transfer = op
		case op.F == "read" && op.Type == history.OK && (b.read == nil || op.Return < b.read.Return):
			b.read = op
		}
	}
	with := *h
	with.Operations = nil
	for _, key := range keys {
		b := banks[key]
		if b.opened {
			continue
		}
		if b.read == nil || b.transfer != nil && b.transfer.Call <= b.read.Return {
			return nil, false
		}
		with.Operations = append(with.Operations, history.Operation{Process: b.read.Process, F: "open", Key: key, Input: b.read.Output,
			Call: -2, Return: -1, Type: history.OK, Index: b.read.Index})
	}
	with.Operations = append(with.Operations, h.Operations...)
	return &with, true
}

// FirstTotal is what the accounts add up to in the first read that completed; 0: there is none.
func FirstTotal(h *history.History) (total int64) {
	first := -1
	for i := range h.Operations {
		op := &h.Operations[i]
		if op.F == "read" && op.Type == history.OK && (first < 0 || op.Return < h.Operations[first].Return) {
			first = i
		}
	}
	if first < 0 {
		return 0
	}
	accounts, _ := h.Operations[first].Output.AsList()
	for _, a := range accounts {
		if _, balance, ok := a.AsPair(); ok {
			n, _ := balance.AsInt()
			total += n
		}
	}
	return total
}
