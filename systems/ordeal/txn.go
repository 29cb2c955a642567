package ordeal

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/systems"
)

// A transaction's input is its steps, ["append", key, value], ["w", key, value] or ["r", key, nil], and its output the same
// with what the reads saw; see package checker.

func listTransaction(s *Steps) error {
	return s.transaction("append", func(key string, v history.Value) (kv.Op, error) {
		b, err := element(v)
		return kv.Op{Kind: kv.Append, Key: key, Value: b}, err
	}, func(r kv.Result) history.Value {
		if !r.Found {
			return history.Nil
		}
		return history.List(elements(r)...)
	})
}

func registerTransaction(s *Steps) error {
	return s.transaction("w", func(key string, v history.Value) (kv.Op, error) {
		b, fits := text(v)
		if !fits {
			return kv.Op{}, fmt.Errorf("a register holds a number or a string, not %v", v)
		}
		return kv.Op{Kind: kv.Put, Key: key, Value: b}, nil
	}, value)
}

// transaction makes one transaction of the input: what writes are called and become, and what a read makes of what it saw.
func (s *Steps) transaction(write string, op func(key string, v history.Value) (kv.Op, error), saw func(kv.Result) history.Value) error {
	steps, _ := s.op.Input.AsList()
	if len(steps) == 0 {
		return fmt.Errorf("a transaction is a list of steps, not %v", s.op.Input)
	}
	ops := make([]kv.Op, len(steps))
	for i, step := range steps {
		parts, _ := step.AsList()
		if len(parts) != 3 {
			return fmt.Errorf("step %d: [name, key, value] expected, not %v", i+1, step)
		}
		key, fits := text(parts[1])
		name, _ := parts[0].AsString()
		ops[i] = kv.Op{Kind: kv.Get, Key: string(key)}
		if name == write {
			var err error
			if ops[i], err = op(string(key), parts[2]); err != nil {
				return fmt.Errorf("step %d: %w", i+1, err)
			}
		} else if name != "r" || !fits {
			return fmt.Errorf("step %d: %q of a key or \"r\" expected, not %v", i+1, write, step)
		}
	}
	return s.do(func(_ *Steps, r client.Result) (systems.Completion, bool) {
		if !r.Applied {
			return refused("%s", r.Reason)
		}
		return ok(told(steps, ops, r, saw))
	}, ops...)
}

// told is the steps with what the reads saw.
func told(steps []history.Value, ops []kv.Op, r client.Result, saw func(kv.Result) history.Value) history.Value {
	out := make([]history.Value, len(steps))
	for i, step := range steps {
		out[i] = step
		if ops[i].Kind == kv.Get {
			parts, _ := step.AsList()
			out[i] = history.List(parts[0], parts[1], saw(r.Results[i]))
		}
	}
	return history.List(out...)
}
