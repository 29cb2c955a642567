package checker

import (
	"context"
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

func TestBank(t *testing.T) {
	read := func(balances ...int64) history.Operation {
		var accounts []history.Value
		for i, b := range balances {
			accounts = append(accounts, history.List(history.Int(int64(i)), history.Int(b)))
		}
		return history.Operation{Process: 3, F: "read", Type: history.OK, Call: 1, Return: 2, Output: history.List(accounts...)}
	}
	for _, c := range []struct {
		name    string
		ops     []history.Operation
		verdict Verdict
		reason  string
	}{
		{"moved", []history.Operation{read(10, 0), read(3, 7)}, Valid, ""},
		{"lost", []history.Operation{read(10, 0), read(3, 5)}, Invalid, "process 3 read accounts that add up to 8, not 10"},
		{"overdrawn", []history.Operation{read(11, -1)}, Invalid, "process 3 read a balance of -1 in account 1"},
		{"no read", []history.Operation{{F: "transfer", Type: history.OK}}, Unknown, "nothing to judge by"},
		{"no accounts", []history.Operation{{F: "read", Type: history.OK, Output: history.Int(1)}}, Unknown, "a list of [account, balance]"},
	} {
		r := Bank(10).Check(context.Background(), &history.History{Operations: c.ops}, Options{})
		require.Equal(t, c.verdict, r.Verdict, c.name)
		require.Contains(t, r.Reason, c.reason, c.name)
	}
}

// A read of some accounts shows those and no others; one that names none shows all.
func TestReadsOfSomeAccounts(t *testing.T) {
	account := func(name string, n int64) history.Value { return history.List(history.String(name), history.Int(n)) }
	a, b := account("a", 2), account("b", 3)
	for _, test := range []struct {
		name      string
		asks, saw history.Value
		want      Verdict
	}{
		{"one of two", history.List(history.String("a")), history.List(a), Valid},
		{"one that is not there", history.List(history.String("c")), history.List(), Valid},
		{"all", history.Nil, history.List(a, b), Valid},
		{"one, with the other in the answer", history.List(history.String("a")), history.List(a, b), Invalid},
		{"one, as it never was", history.List(history.String("a")), history.List(account("a", 1)), Invalid},
		{"all, with one missing", history.Nil, history.List(a), Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &history.History{Operations: []history.Operation{
				{Index: 0, F: "open", Type: history.OK, Call: 1, Return: 2, Input: history.List(a, b)},
				{Index: 1, F: "read", Type: history.OK, Call: 3, Return: 4, Input: test.asks, Output: test.saw},
			}}
			r := Linearizable(BankModel()).Check(t.Context(), h, Options{})
			require.Equal(t, test.want, r.Verdict, r.Reason)
		})
	}
}
