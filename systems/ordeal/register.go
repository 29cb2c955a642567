package ordeal

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/systems"
)

// registerSteps are the operations of a register. Reads differ in what they promise (R20).
var registerSteps = map[string]func(s *Steps) error{
	"get":       func(s *Steps) error { return s.get(s.Consistency) },
	"get-index": func(s *Steps) error { return s.get(wire.ReadIndex) },
	"get-log":   func(s *Steps) error { return s.get(wire.ThroughLog) },
	"get-lease": func(s *Steps) error { return s.get(wire.Lease) },
	"get-stale": func(s *Steps) error { return s.get(wire.Stale) },
	"put":       put,
	"cas":       compareAndSet,
}

func (s *Steps) get(c wire.Consistency) error {
	s.Consistency = c
	return s.do(seen, kv.Op{Kind: kv.Get, Key: s.op.Key})
}

// seen answers with the value the operation saw; a compare-and-set does so whether or not it set.
func seen(_ *Steps, r client.Result) (systems.Completion, bool) { return ok(value(r.Results[0])) }

func put(s *Steps) error {
	v, fits := text(s.op.Input)
	if !fits {
		return fmt.Errorf("put wants a number or a string, not %v", s.op.Input)
	}
	return s.do(plain, kv.Op{Kind: kv.Put, Key: s.op.Key, Value: v})
}

func compareAndSet(s *Steps) error {
	expected, to, pair := s.op.Input.AsPair()
	if !pair {
		return fmt.Errorf("cas wants a pair of values, not %v", s.op.Input)
	}
	old, oldFits := text(expected)
	v, fits := text(to)
	if !fits || !oldFits && !expected.IsNil() {
		return fmt.Errorf("cas wants numbers or strings, or nil for a key that is not there, not %v", s.op.Input)
	}
	return s.do(seen, kv.Op{Kind: kv.CompareAndSet, Key: s.op.Key, Expected: old, ExpectAbsent: expected.IsNil(), Value: v})
}

// A text is a string as it is stored; see the model kv-append.

func getText(s *Steps) error {
	return s.do(func(_ *Steps, r client.Result) (systems.Completion, bool) {
		if !r.Results[0].Found {
			return ok(history.Nil)
		}
		return ok(history.String(string(r.Results[0].Value)))
	}, kv.Op{Kind: kv.Get, Key: s.op.Key})
}

func putText(s *Steps) error { return s.writeText(kv.Put) }

func appendText(s *Steps) error { return s.writeText(kv.Append) }

func (s *Steps) writeText(kind kv.OpKind) error {
	v, isText := s.op.Input.AsString()
	if !isText {
		return fmt.Errorf("%s wants a string, not %v", s.op.F, s.op.Input)
	}
	return s.do(plain, kv.Op{Kind: kind, Key: s.op.Key, Value: []byte(v)})
}
