package ordeal

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/systems"
)

// A lock is a key that holds its holder's name, and one beside it that counts the acquisitions.

const tokenSuffix = ".token"

func acquire(s *Steps) error {
	name, fits := text(s.op.Input)
	if !fits || len(name) == 0 {
		return fmt.Errorf("acquire wants the client's name, not %v", s.op.Input)
	}
	return s.do(func(_ *Steps, r client.Result) (systems.Completion, bool) {
		if !r.Applied {
			return refused("held by %s", value(r.Results[0]))
		}
		return ok(value(r.Results[1]))
	}, kv.Op{Kind: kv.CompareAndSet, Key: s.op.Key, ExpectAbsent: true, Value: name},
		kv.Op{Kind: kv.Add, Key: s.op.Key + tokenSuffix, Delta: 1})
}

func release(s *Steps) error {
	name, fits := text(s.op.Input)
	if !fits || len(name) == 0 {
		return fmt.Errorf("release wants the client's name, not %v", s.op.Input)
	}
	return s.do(plain, kv.Op{Kind: kv.CompareAndSet, Key: s.op.Key, Expected: name, Value: name},
		kv.Op{Kind: kv.Delete, Key: s.op.Key})
}

func readHolder(s *Steps) error { return s.do(seen, kv.Op{Kind: kv.Get, Key: s.op.Key}) }

// A counter is a decimal number; one that is not there is 0.

func addNumber(s *Steps) error {
	delta, isInt := s.op.Input.AsInt()
	if !isInt {
		return fmt.Errorf("add wants an integer, not %v", s.op.Input)
	}
	return s.do(func(_ *Steps, r client.Result) (systems.Completion, bool) {
		if !r.Applied {
			return refused("%s", r.Reason)
		}
		return ok(value(r.Results[0]))
	}, kv.Op{Kind: kv.Add, Key: s.op.Key, Delta: delta})
}

func readNumber(s *Steps) error {
	return s.do(func(_ *Steps, r client.Result) (systems.Completion, bool) {
		if !r.Results[0].Found {
			return ok(history.Int(0))
		}
		return ok(value(r.Results[0]))
	}, kv.Op{Kind: kv.Get, Key: s.op.Key})
}
