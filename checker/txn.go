package checker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// Transactions are operations of F "txn". The input is a list of steps, the output the same list with what the reads
// saw:
//
//	["append", key, value]    list-append: add value at the end of key's list
//	["w", key, value]         rw-register: write
//	["r", key, nil]           read; in the output the list, or the value
//
// Keys and values are any values; a value is written to a key at most once. Names may begin with a colon, as imported
// from Jepsen.

type stepKind uint8

const (
	stepRead stepKind = iota
	stepWrite
)

// step is one step of a transaction. Keys are numbered, and so are versions: a value of a key.
type step struct {
	kind stepKind
	key  int32
	// write: the version written. read of a register: the version seen, or noVersion for nil or an unknown outcome.
	version int32
	// read of a list: the versions seen, oldest first.
	list  []int32
	known bool // read: the outcome is known
}

const noVersion = int32(-1)

// txn is a transaction that may have taken effect, or surely did not.
type txn struct {
	op    *history.Operation
	steps []step
}

func (t *txn) failed() bool    { return t.op.Type == history.Fail }
func (t *txn) committed() bool { return t.op.Type == history.OK }

// version is a value of a key.
type version struct {
	key    int32
	value  history.Value
	writer int32 // the transaction that writes it, or noOperation
	final  bool  // the writer writes the key no more after it
}

// txns is a history of transactions.
type txns struct {
	lists    bool
	all      []txn
	keys     []history.Value
	versions []version
	numbers  *interner
	keyOf    map[uint32]int32
	known    map[uint64]int32 // key and value to version

	b    *bounds
	room history.Limits
}

// errBounds ends the reading of transactions where the bounds are reached.
var errBounds = errors.New("the bounds are reached")

// stopped tells, now and then, whether the bounds are reached: t counts what is done.
func (ts *txns) stopped(t int) bool {
	if t%256 != 0 {
		return false
	}
	if ts.room.Take(0) != nil {
		ts.b.outOfMemory()
	}
	return ts.b.stopped()
}

// readTxns numbers the transactions of a history. It fails when an operation is no transaction, or a value is written to
// a key twice: then nothing can be told.
func readTxns(b *bounds, room history.Limits, h *history.History, lists bool) (*txns, error) {
	ts := &txns{lists: lists, numbers: newInterner(), keyOf: make(map[uint32]int32), known: make(map[uint64]int32),
		all: make([]txn, 0, len(h.Operations)), b: b, room: room}
	for i := range h.Operations {
		if ts.stopped(i) {
			return nil, errBounds
		}
		op := &h.Operations[i]
		t := txn{op: op}
		var err error
		if op.F != "txn" {
			err = fmt.Errorf("a transaction is called txn, not %q", op.F)
		} else {
			t.steps, err = ts.steps(op, int32(len(ts.all)))
		}
		if err != nil {
			return nil, fmt.Errorf("cannot judge operation %d of process %d: %w", op.Index, op.Process, err)
		}
		ts.all = append(ts.all, t)
	}
	return ts, nil
}

func (ts *txns) steps(op *history.Operation, t int32) ([]step, error) {
	in, ok := op.Input.AsList()
	if !ok {
		return nil, fmt.Errorf("a list of steps expected, not %v", op.Input)
	}
	out := in
	if op.Type == history.OK {
		if out, ok = op.Output.AsList(); !ok || len(out) != len(in) {
			return nil, fmt.Errorf("its output %v has not the steps of its input", op.Output)
		}
	}
	steps := make([]step, len(in))
	for i := range in {
		var err error
		if steps[i], err = ts.step(in[i], out[i], op.Type == history.OK, t); err != nil {
			return nil, fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	ts.markFinal(steps)
	return steps, nil
}

func (ts *txns) step(in, out history.Value, known bool, t int32) (step, error) {
	parts, ok := in.AsList()
	seen, ok2 := out.AsList()
	if !ok || !ok2 || len(parts) != 3 || len(seen) != 3 {
		return step{}, fmt.Errorf("[name, key, value] expected, not %v", in)
	}
	name, _ := parts[0].AsString()
	s := step{key: ts.key(parts[1]), version: noVersion, known: known}
	switch name = strings.TrimPrefix(name, ":"); {
	case name == "r":
		return s, ts.saw(&s, seen[2])
	case name == "append" && ts.lists, name == "w" && !ts.lists:
		s.kind = stepWrite
		s.version = ts.version(s.key, parts[2])
		v := &ts.versions[s.version]
		if v.writer != noOperation {
			return s, fmt.Errorf("%v is written to key %v twice; values must be unique", v.value, parts[1])
		}
		v.writer = t
		return s, nil
	}
	return s, fmt.Errorf("unknown step %v", in)
}

// saw fills in what a read saw.
func (ts *txns) saw(s *step, v history.Value) error {
	if !s.known || v.IsNil() {
		return nil
	}
	if !ts.lists {
		s.version = ts.version(s.key, v)
		return nil
	}
	values, ok := v.AsList()
	if !ok {
		return fmt.Errorf("a read of a list saw %v", v)
	}
	s.list = make([]int32, len(values))
	for i, v := range values {
		s.list[i] = ts.version(s.key, v)
	}
	return nil
}

func (ts *txns) key(v history.Value) int32 {
	n := ts.numbers.number(v)
	k, ok := ts.keyOf[n]
	if !ok {
		k = int32(len(ts.keys))
		ts.keyOf[n] = k
		ts.keys = append(ts.keys, v)
	}
	return k
}

func (ts *txns) version(key int32, v history.Value) int32 {
	id := uint64(key)<<32 | uint64(ts.numbers.number(v))
	n, ok := ts.known[id]
	if !ok {
		n = int32(len(ts.versions))
		ts.known[id] = n
		if grown, err := history.Grown(ts.room, ts.versions); err != nil {
			ts.b.outOfMemory()
		} else {
			ts.versions = grown
		}
		ts.versions = append(ts.versions, version{key: key, value: v, writer: noOperation})
	}
	return n
}

// markFinal marks the last write of each key of a transaction.
func (ts *txns) markFinal(steps []step) {
	for i, s := range steps {
		if s.kind == stepWrite {
			ts.versions[s.version].final = !writesLater(steps[i+1:], s.key)
		}
	}
}

func writesLater(steps []step, key int32) bool {
	for _, s := range steps {
		if s.kind == stepWrite && s.key == key {
			return true
		}
	}
	return false
}

// externalReads calls f for each read of a key the transaction had not touched before: what others left there.
func (t *txn) externalReads(f func(s *step)) {
	if !t.committed() {
		return
	}
	for i := range t.steps {
		if s := &t.steps[i]; s.kind == stepRead && !touched(t.steps[:i], s.key) {
			f(s)
		}
	}
}

func touched(steps []step, key int32) bool {
	for _, s := range steps {
		if s.key == key {
			return true
		}
	}
	return false
}

// last is the version a read of a list ended with.
func (s *step) last() int32 {
	if len(s.list) == 0 {
		return noVersion
	}
	return s.list[len(s.list)-1]
}

// keyName is a key for people; the keywords of Jepsen's keys stand for themselves.
func (ts *txns) keyName(key int32) string {
	if text, ok := ts.keys[key].AsString(); ok && strings.HasPrefix(text, ":") {
		return text
	}
	return ts.keys[key].String()
}

// lostUpdates calls found for transactions that read the same version of a key, in step s, and both wrote the key after it:
// the second did not see what the first had done.
func (ts *txns) lostUpdates(found func(one, two int32, s *step)) {
	type group struct{ key, version int32 }
	updates := make(map[group]int32)
	for t := range ts.all {
		t := int32(t)
		tx := &ts.all[t]
		tx.externalReads(func(s *step) {
			if !writesLater(tx.steps, s.key) {
				return
			}
			g := group{s.key, s.version}
			if ts.lists {
				g.version = s.last()
			}
			if other, ok := updates[g]; ok {
				found(other, t, s)
				return
			}
			updates[g] = t
		})
	}
}

// describeTransaction is a transaction for people: "append x 1, r y -> [2 3]"; false: it is none.
func describeTransaction(op *history.Operation) (string, bool) {
	steps, ok := op.Output.AsList()
	if op.Type != history.OK {
		steps, ok = op.Input.AsList()
	}
	var words []string
	for _, s := range steps {
		parts, isList := s.AsList()
		if ok = ok && isList && len(parts) == 3; !ok {
			break
		}
		word := plainText(parts[0]) + " " + plainText(parts[1])
		switch {
		case plainText(parts[0]) != "r":
			word += " " + parts[2].String()
		case op.Type == history.OK:
			word += " -> " + parts[2].String()
		}
		words = append(words, word)
	}
	text := strings.Join(words, ", ")
	switch op.Type {
	case history.OK:
	case history.Fail:
		text += " -> failed"
	default:
		text += " -> ?"
	}
	return text, ok
}

// plainText is a text without quotes, or the colon of a keyword; another value as people read it.
func plainText(v history.Value) string {
	if text, ok := v.AsString(); ok {
		return strings.TrimPrefix(text, ":")
	}
	return v.String()
}
