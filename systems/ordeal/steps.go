package ordeal

import (
	"errors"
	"fmt"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Steps is an operation of a workload as transactions of the store. Most are one; where what is to be written depends on
// what is there, a transaction that looks comes before one that changes only what nobody else has changed meanwhile. It
// knows nothing of connections and time, so that anything that carries transactions to the store can drive it:
//
//	s, err := Begin(op, wire.ReadIndex)
//	for done := false; !done; {
//		result, err := send(s.Txn, s.Consistency)
//		if err != nil { completion = s.Failure(err); break }
//		completion, done = s.Answer(result)
//	}
type Steps struct {
	Txn         kv.Txn           // the next transaction
	Consistency wire.Consistency // of it, where it only reads

	op    workloads.Operation
	tries int
	// answer makes the completion of an answer, or sets the next transaction: false.
	answer func(s *Steps, r client.Result) (systems.Completion, bool)
}

// mostTries is how often an operation begins again because others were faster.
const mostTries = 20

// Begin makes the steps of an operation; reads is the consistency of those that do not say. An error says why the store has no such operation.
func Begin(op workloads.Operation, reads wire.Consistency) (*Steps, error) {
	begin, ok := beginnings[op.Object][op.F]
	if !ok {
		return nil, fmt.Errorf("the store has no operation %q%s", op.F, ofObject(op.Object))
	}
	s := &Steps{op: op, Consistency: reads}
	if err := begin(s); err != nil {
		return nil, err
	}
	return s, nil
}

func ofObject(o workloads.Object) string {
	if o == "" {
		return ""
	}
	return fmt.Sprintf(" of a %s", o)
}

// Answer takes the answer to Txn: what became of the operation, or false, and Txn is the next one to send.
func (s *Steps) Answer(r client.Result) (done systems.Completion, ended bool) {
	if len(r.Results) < len(s.Txn.Ops) && r.Applied || len(r.Results) == 0 {
		return systems.Completion{Type: s.uncertain(), Node: nodeName(r.Node), Error: "the answer does not hold a result for each step"}, true
	}
	done, ended = s.answer(s, r)
	done.Node, done.LogIndex = nodeName(r.Node), r.LogIndex
	return done, ended
}

// Failure is what an error of Txn means for the operation: only what the client library knows to be without effect is a
// Fail, and what only looked.
func (s *Steps) Failure(err error) systems.Completion {
	out := systems.Completion{Type: s.uncertain(), Error: err.Error()}
	var e *client.Error
	if errors.As(err, &e) {
		out.Node = nodeName(e.Node)
		if e.Definite {
			out.Type = history.Fail
		}
	}
	return out
}

// uncertain is the outcome where the transaction may have been received. An operation that has only looked until now had no
// effect, unless looking is all it does: of a read whose answer is lost nobody knows.
func (s *Steps) uncertain() history.Type {
	if s.Txn.ReadOnly() && s.looks() {
		return history.Fail
	}
	return history.Info
}

// looks tells an operation that changes something, though its next transaction does not.
func (s *Steps) looks() bool { return s.op.F == "dequeue" || s.op.F == "transfer" }

// beginnings sets the first transaction of each operation of each object.
var beginnings = map[workloads.Object]map[string]func(s *Steps) error{
	"":                        registerSteps,
	workloads.RegisterObject:  registerSteps,
	workloads.TextObject:      {"get": getText, "put": putText, "append": appendText},
	workloads.SetObject:       {"add": appendElement, "read": readElements},
	workloads.QueueObject:     {"enqueue": appendElement, "dequeue": dequeue},
	workloads.LockObject:      {"acquire": acquire, "release": release, "read": readHolder},
	workloads.CounterObject:   {"add": addNumber, "read": readNumber},
	workloads.BankObject:      {"open": openBank, "transfer": transfer, "read": readBank},
	workloads.ListsObject:     {"txn": listTransaction},
	workloads.RegistersObject: {"txn": registerTransaction},
}

// do sets the next transaction and what is made of its answer.
func (s *Steps) do(answer func(s *Steps, r client.Result) (systems.Completion, bool), ops ...kv.Op) error {
	s.Txn, s.answer = kv.Txn{Ops: ops}, answer
	return nil
}

// ok completes an operation.
func ok(output history.Value) (systems.Completion, bool) {
	return systems.Completion{Type: history.OK, Output: output}, true
}

// refused completes an operation that surely had no effect.
func refused(format string, args ...any) (systems.Completion, bool) {
	return systems.Completion{Type: history.Fail, Error: fmt.Sprintf(format, args...)}, true
}

// plain answers an operation that tells nothing but that it took effect.
func plain(_ *Steps, r client.Result) (systems.Completion, bool) {
	if !r.Applied {
		return refused("%s", r.Reason)
	}
	return ok(history.Nil)
}
