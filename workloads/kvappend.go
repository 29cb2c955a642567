package workloads

import (
	"fmt"
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/history"
)

// The kv-append workload appends to texts and reads them: a read shows all appends before it, and their order. Every third
// text is overwritten now and then as well.
var textSharing = sharing{prefix: "t", workers: 5, operations: 300, crashes: 6}

// KVAppend generates the kv-append workload.
type KVAppend struct{ *shared[*textState] }

type textState struct {
	given int
	puts  bool
}

// NewKVAppend makes a generator.
func NewKVAppend(o Options) *KVAppend {
	made := 0
	return &KVAppend{newShared(o, textSharing, func(string) *textState {
		made++
		return &textState{puts: made%3 == 0}
	})}
}

// Next implements Generator: get has no input, append and put the text, such as "(7)", which is written once.
func (k *KVAppend) Next(worker int, rng *rand.Rand) Operation {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := k.next(worker)
	n := rng.IntN(10)
	if n < 5 {
		return Operation{Object: TextObject, F: "get", Key: o.name}
	}
	o.state.given++
	op := Operation{Object: TextObject, F: "append", Key: o.name, Input: history.String(fmt.Sprintf("(%d)", o.state.given))}
	if o.state.puts && n == 9 {
		op.F = "put"
	}
	return op
}

// Completed implements Generator.
func (k *KVAppend) Completed(_ int, op Operation, outcome history.Type, _ history.Value) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.completed(op.Key, outcome, op.F != "get")
}

// Final implements Generator: read every text there was.
func (k *KVAppend) Final() []Operation {
	return k.finals(func(o *object[*textState]) []Operation {
		return []Operation{{Object: TextObject, F: "get", Key: o.name}}
	})
}
