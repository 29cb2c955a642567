package workloads

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/history"
)

// The bank workload opens a bank of a few accounts, moves money between them, and reads them all at once: whatever
// happens, the money stays the same.
var bankSharing = sharing{prefix: "b", workers: 5, operations: 300, crashes: 4}

const (
	bankAccounts    = 5
	openingBalance  = 20
	largestTransfer = 8
	bankTotal       = bankAccounts * openingBalance
)

// Bank generates the bank workload.
type Bank struct{ *shared[*bankState] }

type bankState struct{ open bool }

// NewBank makes a generator.
func NewBank(o Options) *Bank {
	return &Bank{newShared(o, bankSharing, func(string) *bankState { return &bankState{} })}
}

// Next implements Generator: open has the accounts with their balances, transfer [from, to, amount], read the accounts. As
// long as nobody knows that the bank is open, everybody tries to open it.
func (b *Bank) Next(worker int, rng *rand.Rand) Operation {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.next(worker)
	op := Operation{Object: BankObject, Key: o.name}
	switch {
	case !o.state.open:
		op.F, op.Input = "open", openingAccounts()
	case rng.IntN(2) == 0:
		op.F, op.Input = "read", accountNames()
	default:
		from := rng.Int64N(bankAccounts)
		to := (from + 1 + rng.Int64N(bankAccounts-1)) % bankAccounts
		op.F, op.Input = "transfer", history.List(history.Int(from), history.Int(to), history.Int(1+rng.Int64N(largestTransfer)))
	}
	return op
}

func accountNames() history.Value {
	names := make([]history.Value, bankAccounts)
	for i := range names {
		names[i] = history.Int(int64(i))
	}
	return history.List(names...)
}

func openingAccounts() history.Value {
	accounts := make([]history.Value, bankAccounts)
	for i := range accounts {
		accounts[i] = history.List(history.Int(int64(i)), history.Int(openingBalance))
	}
	return history.List(accounts...)
}

// Completed implements Generator. A bank of which nobody knows whether it is open is given up.
func (b *Bank) Completed(_ int, op Operation, outcome history.Type, _ history.Value) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.completed(op.Key, outcome, op.F != "read")
	switch {
	case !ok || op.F != "open":
	case outcome == history.OK:
		o.state.open = true
	case outcome == history.Info && !o.state.open:
		o.crashes = b.crashes
	}
}

// Final implements Generator: read every bank that is known to be open.
func (b *Bank) Final() []Operation {
	return b.finals(func(o *object[*bankState]) []Operation {
		if !o.state.open {
			return nil
		}
		return []Operation{{Object: BankObject, F: "read", Key: o.name, Input: accountNames()}}
	})
}
