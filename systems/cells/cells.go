// Package cells is how a plain key-value store does the operations of workloads: each object is one cell, a key with a value that is a text. What
// depends on what is there is a read followed by a compare-and-set of the whole text. An adapter whose system can get, put and
// compare-and-set has all of it for these three.
package cells

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Cell is what a key holds.
type Cell struct {
	Text  string
	Found bool
	// Index is where the system says that it took effect; 0: it does not say.
	Index uint64
}

// Store is a client of a system, which does one request at a time. Its errors are systems.Error where it is known that a request had no effect.
type Store interface {
	Get(ctx context.Context, key string) (Cell, error)
	Put(ctx context.Context, key, text string) error
	// CompareAndSet writes the text if the key holds what was expected. set tells whether it was written. seen is what the key held at that same moment,
	// and known is false where the system does not tell.
	CompareAndSet(ctx context.Context, key string, expected Cell, text string) (r Swap, err error)
	Close()
}

// Swap is the answer to a compare-and-set.
type Swap struct {
	Set   bool
	Seen  Cell
	Known bool // Seen is what the compare-and-set itself saw
}

// Workloads are those that the operations here are enough for.
func Workloads() []string {
	return []string{"register", "kv-append", "set", "queue", "counter", "lock"}
}

// Open makes a client of a store; node is the one that it asks.
func Open(node string, s Store) systems.Client { return &client{node: node, store: s} }

type client struct {
	node  string
	store Store
}

func (c *client) Close() { c.store.Close() }

// Invoke implements systems.Client.
func (c *client) Invoke(ctx context.Context, op workloads.Operation) systems.Completion {
	do, known := operations[op.Object][op.F]
	if !known {
		return systems.Completion{Type: history.Fail, Node: c.node, Error: fmt.Sprintf("the adapter has no operation %q of a %s", op.F, op.Object)}
	}
	done := do(ctx, c.store, op)
	done.Node = c.node
	return done
}

type operation func(ctx context.Context, s Store, op workloads.Operation) systems.Completion

var registers = map[string]operation{"get": get, "put": put, "cas": compareAndSet}

var operations = map[workloads.Object]map[string]operation{
	"":                       registers,
	workloads.RegisterObject: registers,
	workloads.TextObject:     {"get": getText, "put": putText, "append": appendText},
	workloads.SetObject:      {"add": addElement, "read": readElements},
	workloads.QueueObject:    {"enqueue": addElement, "dequeue": dequeue},
	workloads.CounterObject:  {"add": addNumber, "read": readNumber},
	workloads.LockObject:     {"acquire": acquire, "release": release, "read": readHolder},
}

func ok(v history.Value, index uint64) systems.Completion {
	return systems.Completion{Type: history.OK, Output: v, LogIndex: index}
}

func refused(format string, args ...any) systems.Completion {
	return systems.Completion{Type: history.Fail, Error: fmt.Sprintf(format, args...)}
}

func get(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	cell, err := s.Get(ctx, op.Key)
	if err != nil {
		return systems.Failed(err, true)
	}
	return ok(value(cell), cell.Index)
}

func put(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	text, fits := textOf(op.Input)
	if !fits {
		return refused("put wants a number or a string, not %v", op.Input)
	}
	if err := s.Put(ctx, op.Key, text); err != nil {
		return systems.Failed(err, false)
	}
	return ok(history.Nil, 0)
}

// compareAndSet answers with what it saw, set or not. Where the system does not tell what its own compare-and-set saw, one that did not set is a Fail: it
// had no effect, and a value read before it proves nothing.
func compareAndSet(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	from, to, pair := op.Input.AsPair()
	old, oldFits := textOf(from)
	text, fits := textOf(to)
	if !pair || !fits || !oldFits && !from.IsNil() {
		return refused("cas wants a pair of numbers or strings, or nil for a key that is not there, not %v", op.Input)
	}
	r, err := s.CompareAndSet(ctx, op.Key, Cell{Text: old, Found: !from.IsNil()}, text)
	switch {
	case err != nil:
		return systems.Failed(err, false)
	case r.Set:
		return ok(from, r.Seen.Index)
	case r.Known:
		return ok(value(r.Seen), r.Seen.Index)
	}
	return refused("the value was not %v", from)
}

// textOf is how a store holds a value: a string as it is, a number as its decimal digits; false for anything else.
func textOf(v history.Value) (string, bool) {
	if n, ok := v.AsInt(); ok {
		return strconv.FormatInt(n, 10), true
	}
	return v.AsString()
}

// value is what the cell holds as the history knows it. Something that no client wrote stays as it is, for the checker to see: 007 is not 7.
func value(c Cell) history.Value {
	if !c.Found {
		return history.Nil
	}
	return valueOf(c.Text)
}

func valueOf(text string) history.Value {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		return history.Int(n)
	}
	return history.String(text)
}

// mostTries is how often an operation begins again because others were faster.
const mostTries = 20

// replace changes a text depending on what it is. change gives what it becomes and the answer, or a completion that ends the operation as it is.
func replace(ctx context.Context, s Store, key string, change func(Cell) (text string, output history.Value, end *systems.Completion)) systems.Completion {
	cell, err := s.Get(ctx, key)
	if err != nil {
		return systems.Failed(err, true) // it has only looked
	}
	for range mostTries {
		text, output, end := change(cell)
		if end != nil {
			return *end
		}
		r, err := s.CompareAndSet(ctx, key, cell, text)
		switch {
		case err != nil:
			return systems.Failed(err, false)
		case r.Set:
			return ok(output, r.Seen.Index)
		case r.Known:
			cell = r.Seen
			continue
		}
		if cell, err = s.Get(ctx, key); err != nil {
			return systems.Failed(err, true) // what came before has set nothing
		}
	}
	return refused("others were faster %d times", mostTries)
}

func getText(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	cell, err := s.Get(ctx, op.Key)
	switch {
	case err != nil:
		return systems.Failed(err, true)
	case !cell.Found:
		return ok(history.Nil, cell.Index)
	}
	return ok(history.String(cell.Text), cell.Index)
}

func putText(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	text, isText := op.Input.AsString()
	if !isText {
		return refused("put wants a string, not %v", op.Input)
	}
	if err := s.Put(ctx, op.Key, text); err != nil {
		return systems.Failed(err, false)
	}
	return ok(history.Nil, 0)
}

func appendText(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	text, isText := op.Input.AsString()
	if !isText {
		return refused("append wants a string, not %v", op.Input)
	}
	return replace(ctx, s, op.Key, func(c Cell) (string, history.Value, *systems.Completion) {
		return c.Text + text, history.Nil, nil
	})
}

// element is how an element of a set or a queue is stored; an error says that it cannot be.
func element(v history.Value) (string, error) {
	text, fits := textOf(v)
	if !fits || text == "" || strings.Contains(text, " ") {
		return "", fmt.Errorf("an element is a number or a string without spaces, not %v", v)
	}
	return text + " ", nil
}

func elements(c Cell) []history.Value {
	all := []history.Value{}
	for rest := c.Text; rest != ""; {
		word, after, _ := strings.Cut(rest, " ")
		all = append(all, valueOf(word))
		rest = after
	}
	return all
}

func addElement(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	text, err := element(op.Input)
	if err != nil {
		return refused("%v", err)
	}
	return replace(ctx, s, op.Key, func(c Cell) (string, history.Value, *systems.Completion) { return c.Text + text, history.Nil, nil })
}

func readElements(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	cell, err := s.Get(ctx, op.Key)
	if err != nil {
		return systems.Failed(err, true)
	}
	return ok(history.List(elements(cell)...), cell.Index)
}
