package checker

import (
	"context"
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// Where no simple words fit, the reason says what the object can have been while the operation that fits nowhere was under way.
func TestReasonsNameThePossibleStates(t *testing.T) {
	for _, test := range []struct {
		model      Model
		ops, wants string
	}{
		{Counter(), "0 add 5 -> 5 [10, 20]\n1 add 3 -> 8 [30, 40]\n2 read -> 5 [50, 60]",
			"process 2's read -> 5 fits nothing that the 2 other operations here allow: while it was under way the counter can only have been 8"},
		{Lock(), "0 acquire a -> 1 [10, 20]\n0 release a [30, 40]\n1 acquire b -> 2 [35, 50]\n2 read -> a [60, 70]",
			`process 2's read -> "a" fits nothing that the 2 other operations here allow: while it was under way the lock can only have been held by nobody`},
		// A compare-and-set may or may not have come between: the register held one of two values, and neither was read.
		{Register(), "0 put 1 [10, 20]\n1 put 2 [30, 40]\n2 cas 2 3 [35, ?]\n3 get -> 1 [50, 60]", "process 3 read 1 after process 1's write of 2 had returned"},
		{Register(), "0 put 1 [10, 100]\n1 cas nil 2 -> 1 [20, 30]\n2 put 3 [40, 50]\n3 get -> 3 [60, 70]\n4 get -> 1 [80, 90]", "process 4 read 1 after process 2's write of 3 had returned"},
	} {
		ops := parseOperations(t, test.ops)
		r := Linearizable(test.model).Check(context.Background(), &history.History{Operations: ops}, Options{Memory: 1 << 30})
		require.Equal(t, Invalid, r.Verdict, test.ops)
		require.Contains(t, r.Reason, test.wants)
	}
}

func TestReasonsOfABank(t *testing.T) {
	accounts := func(balance int64) history.Value {
		return history.List(history.List(history.String("a"), history.Int(balance)))
	}
	ops := []history.Operation{
		{Process: 0, F: "open", Input: accounts(10), Type: history.OK, Call: 10, Return: 20},
		{Process: 1, F: "read", Output: accounts(9), Type: history.OK, Call: 30, Return: 40, Index: 1},
	}
	r := Linearizable(BankModel()).Check(context.Background(), &history.History{Operations: ops}, Options{Memory: 1 << 30})
	require.Equal(t, Invalid, r.Verdict)
	require.Equal(t, `process 1's read -> [["a" 9]] fits nothing that the other operation allows: while it was under way the bank can only have been "a": 10`, r.Reason)
}
