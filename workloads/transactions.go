package workloads

import (
	"fmt"
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/history"
)

// transactionSharing: workers share a small world of keys, so that transactions meet. An operation's key names the world.
// Checking takes no longer for many at once, but a world's lists must stay short: reads carry them whole.
var transactionSharing = sharing{workers: 10, operations: 400, crashes: 40}

const (
	worldKeys       = 4
	mostSteps       = 4
	readOnlyPercent = 30
)

// transactional generates transactions of reads and of writes of one kind.
type transactional struct {
	*shared[*world]
	object Object
	write  string // what the write is called
}

// world is some keys, by number.
type world struct {
	name    string
	written [worldKeys]int64 // values given out
}

func newTransactions(o Options, object Object, prefix, write string) *transactional {
	s := transactionSharing
	s.prefix = prefix
	return &transactional{object: object, write: write,
		shared: newShared(o, s, func(name string) *world { return &world{name: name} })}
}

// Next implements Generator: the input is one to four steps; a value is written to a key once.
func (t *transactional) Next(worker int, rng *rand.Rand) Operation {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.next(worker)
	steps := make([]history.Value, 1+rng.IntN(mostSteps))
	readOnly := rng.IntN(100) < readOnlyPercent
	for i := range steps {
		key := rng.IntN(worldKeys)
		if readOnly || rng.IntN(2) == 0 {
			steps[i] = o.state.read(key)
			continue
		}
		o.state.written[key]++
		steps[i] = history.List(history.String(t.write), o.state.key(key), history.Int(o.state.written[key]))
	}
	return Operation{Object: t.object, F: "txn", Key: o.name, Input: history.List(steps...)}
}

func (w *world) key(n int) history.Value { return history.String(fmt.Sprintf("%s.%d", w.name, n)) }

func (w *world) read(n int) history.Value {
	return history.List(history.String("r"), w.key(n), history.Nil)
}

// Completed implements Generator.
func (t *transactional) Completed(_ int, op Operation, outcome history.Type, _ history.Value) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.completed(op.Key, outcome, true)
}

// Final implements Generator: read all keys of every world there was.
func (t *transactional) Final() []Operation {
	return t.finals(func(o *object[*world]) []Operation {
		var steps []history.Value
		for key := range worldKeys {
			steps = append(steps, o.state.read(key))
		}
		return []Operation{{Object: t.object, F: "txn", Key: o.name, Input: history.List(steps...)}}
	})
}
