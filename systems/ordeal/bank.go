package ordeal

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/systems"
)

// A bank is a key for each account. The input of each operation names the accounts it is about.

// accountKey is where an account of a bank is.
func (s *Steps) accountKey(account history.Value) (string, error) {
	name, fits := text(account)
	if !fits || len(name) == 0 {
		return "", fmt.Errorf("an account is a number or a string, not %v", account)
	}
	return s.op.Key + "." + string(name), nil
}

// openBank makes the accounts, unless one is there.
func openBank(s *Steps) error {
	accounts, isList := s.op.Input.AsList()
	var ops []kv.Op
	for _, a := range accounts {
		name, balance, pair := a.AsPair()
		key, err := s.accountKey(name)
		amount, fits := text(balance)
		if !pair || err != nil || !fits {
			return fmt.Errorf("open wants a list of [account, balance], not %v", s.op.Input)
		}
		ops = append(ops, kv.Op{Kind: kv.CompareAndSet, Key: key, ExpectAbsent: true, Value: amount})
	}
	if !isList || len(ops) == 0 {
		return fmt.Errorf("open wants a list of [account, balance], not %v", s.op.Input)
	}
	return s.do(plain, ops...)
}

// readBank reads the accounts of the input. Those that are not there are left out.
func readBank(s *Steps) error {
	accounts, isList := s.op.Input.AsList()
	var ops []kv.Op
	for _, a := range accounts {
		key, err := s.accountKey(a)
		if err != nil {
			return err
		}
		ops = append(ops, kv.Op{Kind: kv.Get, Key: key})
	}
	if !isList || len(ops) == 0 {
		return fmt.Errorf("read wants the list of accounts, not %v", s.op.Input)
	}
	return s.do(func(_ *Steps, r client.Result) (systems.Completion, bool) {
		balances := []history.Value{}
		for i, a := range accounts {
			if r.Results[i].Found {
				balances = append(balances, history.List(a, value(r.Results[i])))
			}
		}
		return ok(history.List(balances...))
	}, ops...)
}

// transfer looks at two accounts, then moves money between them if they are still the same. The answer is what they hold
// afterwards.
func transfer(s *Steps) error {
	parts, _ := s.op.Input.AsList()
	if len(parts) != 3 {
		return fmt.Errorf("transfer wants [from, to, amount], not %v", s.op.Input)
	}
	from, err := s.accountKey(parts[0])
	if err != nil {
		return err
	}
	to, err := s.accountKey(parts[1])
	if err != nil {
		return err
	}
	amount, isInt := parts[2].AsInt()
	if !isInt || amount <= 0 || from == to {
		return fmt.Errorf("transfer wants two accounts and a positive amount, not %v", s.op.Input)
	}
	m := &movement{from: from, to: to, amount: amount}
	return s.do(m.saw, kv.Op{Kind: kv.Get, Key: from}, kv.Op{Kind: kv.Get, Key: to})
}

// movement is a transfer under way.
type movement struct {
	from, to string
	amount   int64
}

// saw goes on from what the accounts hold.
func (m *movement) saw(s *Steps, r client.Result) (systems.Completion, bool) {
	has, hasOK := value(r.Results[0]).AsInt()
	gets, getsOK := value(r.Results[1]).AsInt()
	switch {
	case !hasOK || !getsOK:
		return refused("no such account")
	case has < m.amount:
		return refused("the account holds %d only", has)
	case s.tries == mostTries:
		return refused("others were faster %d times", s.tries)
	}
	s.tries++
	left, sum := history.Int(has-m.amount), history.Int(gets+m.amount)
	s.do(func(s *Steps, r client.Result) (systems.Completion, bool) {
		if r.Applied {
			return ok(history.List(left, sum))
		}
		s.do(m.saw, kv.Op{Kind: kv.Get, Key: m.from}, kv.Op{Kind: kv.Get, Key: m.to})
		return systems.Completion{}, false
	}, exchange(m.from, r.Results[0].Value, left), exchange(m.to, r.Results[1].Value, sum))
	return systems.Completion{}, false
}

func exchange(key string, old []byte, v history.Value) kv.Op {
	b, _ := text(v)
	return kv.Op{Kind: kv.CompareAndSet, Key: key, Expected: old, Value: b}
}
