package kv

import (
	"fmt"
	"math"
	"strconv"

	"github.com/tidwall/btree"
)

// Store is the state: what the keys hold.
type Store struct {
	values btree.Map[string, []byte] // copied on write; values are never changed in place: answers and copies alias them
	bytes  int                       // of keys and values
}

// NewStore gives an empty state.
func NewStore() *Store { return &Store{} }

// Len is the number of keys.
func (s *Store) Len() int { return s.values.Len() }

// clone gives a copy in a time that does not depend on the size: what either changes from then on it copies first. Each of the
// two may be used by a thread of its own.
func (s *Store) clone() *Store { return &Store{values: *s.values.Copy(), bytes: s.bytes} }

// Apply runs a transaction.
func (s *Store) Apply(t Txn) TxnResult {
	if len(t.Ops) == 1 {
		return s.applyOne(t.Ops[0])
	}
	return s.applyMany(t)
}

// change is what an operation does to its key.
type change struct {
	write  bool
	delete bool
	value  []byte
}

func (s *Store) applyOne(op Op) TxnResult {
	if op.Kind == Put { // what it saw is what it replaced: one search is enough
		old, found := s.put(op.Key, op.Value)
		return TxnResult{Applied: true, Results: []Result{{Found: found, Value: old}}}
	}
	value, found := s.values.Get(op.Key)
	result, c, reason := op.act(value, found)
	if reason != "" {
		return TxnResult{Reason: reason, Results: []Result{result}}
	}
	s.change(op.Key, c)
	return TxnResult{Applied: true, Results: []Result{result}}
}

// applyMany keeps the changes apart until the last operation has agreed.
func (s *Store) applyMany(t Txn) TxnResult {
	pending := map[string]change{}
	out := TxnResult{Results: make([]Result, 0, len(t.Ops))}
	size := 0
	for i, op := range t.Ops {
		value, found := s.values.Get(op.Key)
		if c, ok := pending[op.Key]; ok {
			value, found = c.value, !c.delete
		}
		result, c, reason := op.act(value, found)
		out.Results = append(out.Results, result)
		if size += len(result.Value); size > MaxResult && reason == "" {
			reason = fmt.Sprintf("the answer would be larger than %d bytes", MaxResult)
		}
		if reason != "" {
			out.Failed, out.Reason = i, reason
			return out
		}
		if c.write {
			pending[op.Key] = c
		}
	}
	for key, c := range pending { // distinct keys: their order does not matter
		s.change(key, c)
	}
	out.Applied = true
	return out
}

func (s *Store) change(key string, c change) {
	switch {
	case !c.write:
	case c.delete:
		if old, found := s.values.Delete(key); found {
			s.bytes -= len(key) + len(old)
		}
	default:
		s.put(key, c.value)
	}
}

// put sets a key and returns what it held.
func (s *Store) put(key string, value []byte) (old []byte, found bool) {
	old, found = s.values.Set(key, value)
	if !found {
		s.bytes += len(key)
	}
	s.bytes += len(value) - len(old)
	return old, found
}

// act is the sequential specification of a micro-operation: what it answers, what it changes, or why it cannot.
func (op Op) act(value []byte, found bool) (Result, change, string) {
	saw := Result{Found: found, Value: value}
	switch op.Kind {
	case Get:
		return saw, change{}, ""
	case Put:
		return saw, change{write: true, value: op.Value}, ""
	case CompareAndSet:
		if found == op.ExpectAbsent || found && string(value) != string(op.Expected) {
			return saw, change{}, "the key does not hold the expected value"
		}
		return saw, change{write: true, value: op.Value}, ""
	case Delete:
		return saw, change{write: true, delete: true}, ""
	case Append:
		return op.appendTo(saw)
	case Add:
		return op.addTo(saw)
	}
	return saw, change{}, fmt.Sprintf("unknown operation %d", op.Kind)
}

func (op Op) appendTo(saw Result) (Result, change, string) {
	if len(saw.Value)+len(op.Value) > MaxValue {
		return saw, change{}, fmt.Sprintf("the value would grow beyond %d bytes", MaxValue)
	}
	value := append(append(make([]byte, 0, len(saw.Value)+len(op.Value)), saw.Value...), op.Value...)
	return Result{Found: true, Value: value}, change{write: true, value: value}, ""
}

func (op Op) addTo(saw Result) (Result, change, string) {
	n := int64(0)
	if saw.Found {
		var err error
		if n, err = strconv.ParseInt(string(saw.Value), 10, 64); err != nil {
			return saw, change{}, "the value is not a number"
		}
	}
	if op.Delta > 0 && n > math.MaxInt64-op.Delta || op.Delta < 0 && n < math.MinInt64-op.Delta {
		return saw, change{}, "the sum does not fit in 64 bits"
	}
	value := strconv.AppendInt(nil, n+op.Delta, 10)
	return Result{Found: true, Value: value}, change{write: true, value: value}, ""
}
