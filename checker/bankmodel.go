package checker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// BankModel is accounts with integer balances, none at first. It says more than Bank, which judges each read by itself: that
// reads and transfers agree with real time.
//
//	open: input is the list of [account, balance] that the bank begins with; possible once.
//	transfer: input is [from, to, amount]; output is what both hold afterwards, [from, to]. Possible only if from holds enough.
//	read: input is the list of accounts, all if it is none; output is the list of [account, balance] of those that are there.
func BankModel() Model {
	return Model{
		Name:     "bank",
		object:   "bank",
		Init:     func() any { return "" },
		Step:     bankStep,
		ReadOnly: func(op *history.Operation) bool { return op.F == "read" },
		Check:    bankCheck,
		describe: describeBank,
	}
}

func bankCheck(op *history.Operation) error {
	in, _ := op.Input.AsList()
	switch op.F {
	case "open":
		if _, ok := balancesOf(op.Input); !ok {
			return fmt.Errorf("open needs a list of [account, balance], not %v", op.Input)
		}
	case "transfer":
		if amount := int64(0); len(in) == 3 {
			amount, _ = in[2].AsInt()
			if amount > 0 && !in[0].Equal(in[1]) {
				break
			}
		}
		return fmt.Errorf("transfer needs [from, to, amount] with a positive amount, not %v", op.Input)
	case "read":
		if _, ok := balancesOf(op.Output); !ok && op.Type == history.OK {
			return fmt.Errorf("a read of a bank answers with a list of [account, balance], not %v", op.Output)
		}
	default:
		return fmt.Errorf("a bank has open, transfer and read, not %q", op.F)
	}
	return nil
}

// balances are accounts, by their JSON, sorted.
type balances []balance

type balance struct {
	account string
	amount  int64
}

func balancesOf(v history.Value) (balances, bool) {
	list, ok := v.AsList()
	var b balances
	for _, a := range list {
		name, amount, pair := a.AsPair()
		n, isInt := amount.AsInt()
		if !pair || !isInt {
			return nil, false
		}
		b = append(b, balance{valueID(name), n})
	}
	slices.SortFunc(b, func(a, b balance) int { return strings.Compare(a.account, b.account) })
	return b, ok
}

func (b balances) find(account history.Value) *balance {
	id := valueID(account)
	for i := range b {
		if b[i].account == id {
			return &b[i]
		}
	}
	return nil
}

// of is those of the accounts that are listed; of all where none is.
func (b balances) of(accounts history.Value) balances {
	asked, _ := accounts.AsList()
	if len(asked) == 0 {
		return b
	}
	return slices.DeleteFunc(b, func(held balance) bool {
		return !slices.ContainsFunc(asked, func(a history.Value) bool { return valueID(a) == held.account })
	})
}

// state is the balances as a state: account, amount, ... a line each.
func (b balances) state() string {
	var s strings.Builder
	for _, a := range b {
		s.WriteString(a.account)
		s.WriteByte('\n') // JSON holds none
		s.WriteString(strconv.FormatInt(a.amount, 10))
		s.WriteByte('\n')
	}
	return s.String()
}

func balancesIn(state string) balances {
	var b balances
	for state != "" {
		var account, amount string
		account, state, _ = strings.Cut(state, "\n")
		amount, state, _ = strings.Cut(state, "\n")
		n, _ := strconv.ParseInt(amount, 10, 64)
		b = append(b, balance{account, n})
	}
	return b
}

func bankStep(_ context.Context, s any, op *history.Operation) (any, bool) {
	known := op.Type == history.OK
	switch op.F {
	case "open":
		if s != "" {
			return s, !known
		}
		b, _ := balancesOf(op.Input)
		return b.state(), true
	case "read":
		saw, _ := balancesOf(op.Output)
		return s, !known || saw.state() == balancesIn(s.(string)).of(op.Input).state()
	}
	b := balancesIn(s.(string))
	in, _ := op.Input.AsList()
	from, to := b.find(in[0]), b.find(in[1])
	amount, _ := in[2].AsInt()
	if from == nil || to == nil || from.amount < amount {
		return s, !known
	}
	from.amount -= amount
	to.amount += amount
	left, sum, told := op.Output.AsPair()
	if known && told && !(left.Equal(history.Int(from.amount)) && sum.Equal(history.Int(to.amount))) {
		return s, false
	}
	return b.state(), true
}

// describeBank is the balances for people: "1: 20, 2: 12".
func describeBank(s any) string {
	var words []string
	for _, b := range balancesIn(s.(string)) {
		words = append(words, fmt.Sprintf("%s: %d", b.account, b.amount))
	}
	if len(words) == 0 {
		return "not open"
	}
	return strings.Join(words, ", ")
}
