package ordeal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/workloads"
)

// shop is a store that clients use at the same time, one transaction after another, and that may be broken in one way.
type shop struct {
	store, old *kv.Store // old lags behind: nobody is to see it but stale reads
	lag        []kv.Txn  // what it has not seen yet
	index      uint64
	rng        *rand.Rand

	staleReads bool // answers reads from the old store now and then
	forgets    bool // loses a write now and then
	repeats    bool // does a write twice now and then
	tears      bool // does only the first step of a transaction now and then
	ahead      bool // stale reads say that they saw more than they did
}

func newShop(rng *rand.Rand) *shop { return &shop{store: kv.NewStore(), old: kv.NewStore(), rng: rng} }

func (s *shop) sometimes(broken bool) bool { return broken && s.rng.IntN(20) == 0 }

func (s *shop) do(t kv.Txn, c wire.Consistency) client.Result {
	for len(s.lag) > 6 || len(s.lag) > 0 && s.rng.IntN(8) == 0 {
		s.old.Apply(s.lag[0])
		s.lag = s.lag[1:]
	}
	if t.ReadOnly() && (c == wire.Stale || s.sometimes(s.staleReads)) {
		index := s.index - uint64(len(s.lag))
		if s.ahead {
			index = s.index
		}
		return client.Result{TxnResult: s.old.Apply(t), LogIndex: index, Node: 1}
	}
	if t.ReadOnly() {
		return client.Result{TxnResult: s.store.Apply(t), LogIndex: s.index, Node: 1}
	}
	s.index++
	if s.sometimes(s.tears) && len(t.Ops) > 1 {
		torn := s.store.Apply(kv.Txn{Ops: t.Ops[:1]})
		if torn.Applied {
			for range t.Ops[1:] {
				torn.Results = append(torn.Results, kv.Result{Found: true, Value: []byte("1")})
			}
		}
		return client.Result{TxnResult: torn, LogIndex: s.index, Node: 1}
	}
	if s.sometimes(s.repeats) {
		s.store.Apply(t)
	}
	s.lag = append(s.lag, t)
	if s.sometimes(s.forgets) {
		return client.Result{TxnResult: s.pretend(t), LogIndex: s.index, Node: 1}
	}
	return client.Result{TxnResult: s.store.Apply(t), LogIndex: s.index, Node: 1}
}

// pretend answers as if the transaction had taken effect.
func (s *shop) pretend(t kv.Txn) kv.TxnResult {
	out := kv.TxnResult{Applied: true}
	for _, op := range t.Ops {
		r := s.store.Apply(kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: op.Key}}})
		out.Results = append(out.Results, r.Results[0])
	}
	return out
}

// customer is a worker under way.
type customer struct {
	process int
	op      workloads.Operation
	steps   *Steps
	done    bool
	crash   bool
	event   history.Event // the completion
}

// play lets workers do operations of a workload on a store, in an order drawn at random, and returns their history.
func play(t *testing.T, workload string, s *shop, operations int) *history.History {
	const workers = 10
	g, err := workloads.NewGenerator(workload, workloads.Options{Workers: workers})
	require.NoError(t, err)
	var events []history.Event
	record := func(e history.Event) {
		e.Index, e.Time = len(events), time.Duration(len(events)+1)
		events = append(events, e)
	}
	customers := make([]*customer, workers)
	for i := range customers {
		customers[i] = &customer{process: i}
	}
	begin := func(c *customer, op workloads.Operation) {
		c.op, c.done, c.crash = op, false, s.rng.IntN(60) == 0
		record(history.Event{Process: c.process, Type: history.Invoke, F: op.F, Key: op.Key, Input: op.Input})
		var err error
		c.steps, err = Begin(op, wire.ReadIndex)
		require.NoError(t, err)
	}
	// advance does the next thing for a worker with an operation under way.
	advance := func(worker int) {
		c := customers[worker]
		if !c.done {
			done, ended := c.steps.Answer(s.do(c.steps.Txn, c.steps.Consistency))
			if c.crash && s.rng.IntN(2) == 0 {
				done, ended = c.steps.Failure(errors.New("connection lost")), true
			}
			c.done = ended
			c.event = history.Event{Process: c.process, Type: done.Type, F: c.op.F, Key: c.op.Key, Output: done.Output, Node: done.Node, LogIndex: done.LogIndex, Error: done.Error}
			return
		}
		record(c.event)
		g.Completed(worker, c.op, c.event.Type, c.event.Output)
		c.steps = nil
		if c.event.Type == history.Info {
			c.process += workers
		}
	}
	for begun := 0; begun < operations; {
		worker := s.rng.IntN(workers)
		if customers[worker].steps == nil {
			begin(customers[worker], g.Next(worker, s.rng))
			begun++
		} else {
			advance(worker)
		}
	}
	for worker, c := range customers {
		for c.steps != nil {
			advance(worker)
		}
	}
	for _, op := range g.Final() {
		c := customers[0]
		for begin(c, op); c.steps != nil; {
			c.crash = false
			advance(0)
		}
	}
	h, err := history.Join(events)
	require.NoError(t, err)
	return h
}

// verdictOf is what the workload's checkers say together.
func verdictOf(t *testing.T, workload string, h *history.History) (checker.Verdict, string) {
	checkers, err := workloads.CheckersFor(workload)
	require.NoError(t, err)
	verdict, why := checker.Valid, ""
	for _, c := range checkers {
		r := c.Check(context.Background(), h, checker.Options{Memory: 2 << 30})
		verdict, why = verdict.And(r.Verdict), why+r.Reason
	}
	return verdict, why
}

// Every workload's operations work on the store, are valid on a sound one, and show what is wrong with one that is not.
func TestWorkloadsOnAStore(t *testing.T) {
	const operations = 600
	broken := map[string]func(s *shop){
		"stale reads": func(s *shop) { s.staleReads = true },
		"lost writes": func(s *shop) { s.forgets = true },
		"twice":       func(s *shop) { s.repeats = true },
		"torn":        func(s *shop) { s.tears = true },
		"ahead":       func(s *shop) { s.ahead = true },
	}
	sees := map[string][]string{ // what each workload is there to see
		"register":    {"stale reads", "lost writes"},
		"kv-append":   {"stale reads", "lost writes", "twice"},
		"set":         {"stale reads", "lost writes", "twice"},
		"queue":       {"lost writes", "twice"},
		"lock":        {"stale reads", "lost writes", "torn"},
		"counter":     {"stale reads", "lost writes", "twice"},
		"bank":        {"stale reads", "lost writes", "torn"},
		"list-append": {"stale reads", "lost writes", "twice", "torn"},
		"rw-register": {"stale reads", "lost writes", "torn"},
		"read-mostly": {"stale reads", "lost writes", "ahead"},
	}
	for _, workload := range workloads.Names() {
		t.Run(workload, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				s := newShop(rand.New(rand.NewPCG(seed, 1)))
				h := play(t, workload, s, operations)
				verdict, why := verdictOf(t, workload, h)
				require.Equal(t, checker.Valid, verdict, "seed %d: %s", seed, why)
				requireAllKindsSucceed(t, h)
			}
			require.NotEmpty(t, sees[workload])
			for _, what := range sees[workload] {
				s := newShop(rand.New(rand.NewPCG(1, 2)))
				broken[what](s)
				verdict, _ := verdictOf(t, workload, play(t, workload, s, operations))
				require.Equal(t, checker.Invalid, verdict, what)
			}
		})
	}
}

func requireAllKindsSucceed(t *testing.T, h *history.History) {
	ok, all := map[string]int{}, map[string]int{}
	for _, op := range h.Operations {
		all[op.F]++
		if op.Type == history.OK {
			ok[op.F]++
		}
	}
	for f, n := range all {
		require.Greater(t, ok[f]*10, n, "of %d operations %s only %d succeeded", n, f, ok[f])
	}
}

// The same order of calls and the same seed give the same operations: a run on the simulator can be repeated.
func TestWorkloadsAreDeterministic(t *testing.T) {
	for _, workload := range workloads.Names() {
		one := play(t, workload, newShop(rand.New(rand.NewPCG(7, 7))), 400)
		two := play(t, workload, newShop(rand.New(rand.NewPCG(7, 7))), 400)
		require.Equal(t, one.Operations, two.Operations, workload)
	}
}

func TestOperationsTheStoreHasNot(t *testing.T) {
	for _, test := range []struct {
		op   workloads.Operation
		want string
	}{
		{workloads.Operation{F: "pop"}, `no operation "pop"`},
		{workloads.Operation{Object: workloads.SetObject, F: "pop"}, `no operation "pop" of a set`},
		{workloads.Operation{F: "cas", Input: history.Int(1)}, "pair"},
		// What cannot be written as it is must not be written as something else.
		{workloads.Operation{F: "put"}, "a number or a string"},
		{workloads.Operation{F: "cas", Input: history.List(history.Int(1), history.Nil)}, "numbers or strings"},
		{workloads.Operation{Object: workloads.SetObject, F: "add", Input: history.String("a b")}, "without spaces"},
		{workloads.Operation{Object: workloads.TextObject, F: "append", Input: history.Int(1)}, "wants a string"},
		{workloads.Operation{Object: workloads.LockObject, F: "acquire"}, "the client's name"},
		{workloads.Operation{Object: workloads.LockObject, F: "release"}, "the client's name"},
		{workloads.Operation{Object: workloads.CounterObject, F: "add", Input: history.String("1")}, "an integer"},
		{workloads.Operation{Object: workloads.BankObject, F: "open", Input: history.List(history.Int(1))}, "[account, balance]"},
		{workloads.Operation{Object: workloads.BankObject, F: "open"}, "[account, balance]"},
		{workloads.Operation{Object: workloads.BankObject, F: "read"}, "the list of accounts"},
		{workloads.Operation{Object: workloads.BankObject, F: "transfer", Input: history.List(history.Int(1), history.Int(1), history.Int(1))}, "two accounts"},
		{workloads.Operation{Object: workloads.ListsObject, F: "txn"}, "a list of steps"},
		{workloads.Operation{Object: workloads.ListsObject, F: "txn", Input: history.List(history.Nil)}, "step 1"},
		{workloads.Operation{Object: workloads.RegistersObject, F: "txn", Input: step("append", "k", history.Int(1))}, `"w" of a key or "r" expected`},
	} {
		_, err := Begin(test.op, wire.ReadIndex)
		require.ErrorContains(t, err, test.want, "%v", test.op)
	}
}

func step(name, key string, v history.Value) history.Value {
	return history.List(history.List(history.String(name), history.String(key), v))
}

// answerOf runs an operation on a store, which others change between its steps.
func answerOf(t *testing.T, store *kv.Store, op workloads.Operation, between func(try int)) (got history.Value, kind history.Type) {
	s, err := Begin(op, wire.ReadIndex)
	require.NoError(t, err)
	for try := 0; ; try++ {
		done, ended := s.Answer(client.Result{TxnResult: store.Apply(s.Txn)})
		if ended {
			return done.Output, done.Type
		}
		between(try)
	}
}

// An operation of several transactions takes hold only of what it saw.
func TestOthersAreFaster(t *testing.T) {
	store := kv.NewStore()
	for i := range 100 {
		store.Apply(kv.Txn{Ops: []kv.Op{{Kind: kv.Append, Key: "q", Value: fmt.Appendf(nil, "%d ", i)}}})
	}
	dequeue := workloads.Operation{Object: workloads.QueueObject, F: "dequeue", Key: "q"}
	got, kind := answerOf(t, store, dequeue, func(try int) {
		if try < 3 { // somebody else takes one
			_, kind := answerOf(t, store, dequeue, func(int) {})
			require.Equal(t, history.OK, kind)
		}
	})
	require.Equal(t, history.OK, kind)
	require.Equal(t, history.Int(3), got)
	_, kind = answerOf(t, store, dequeue, func(int) { answerOf(t, store, dequeue, func(int) {}) })
	require.Equal(t, history.Fail, kind, "at some point it gives up, without effect")

	store = kv.NewStore()
	bank := func(f string, in ...history.Value) workloads.Operation {
		return workloads.Operation{Object: workloads.BankObject, F: f, Key: "b", Input: history.List(in...)}
	}
	one, two := history.Int(1), history.Int(2)
	_, kind = answerOf(t, store, bank("transfer", one, two, history.Int(5)), nil)
	require.Equal(t, history.Fail, kind)
	_, kind = answerOf(t, store, bank("open", history.List(one, history.Int(10)), history.List(two, history.Int(0))), nil)
	require.Equal(t, history.OK, kind)
	_, kind = answerOf(t, store, bank("open", history.List(one, history.Int(99))), nil)
	require.Equal(t, history.Fail, kind)
	got, kind = answerOf(t, store, bank("transfer", one, two, history.Int(4)), func(try int) {
		if try == 0 {
			got, _ := answerOf(t, store, bank("transfer", one, two, history.Int(3)), func(int) {})
			require.Equal(t, history.List(history.Int(7), history.Int(3)), got)
		}
	})
	require.Equal(t, history.OK, kind)
	require.Equal(t, history.List(history.Int(3), history.Int(7)), got)
	_, kind = answerOf(t, store, bank("transfer", one, two, history.Int(4)), nil)
	require.Equal(t, history.Fail, kind, "the account holds 3")
}

// An operation that looked before it could change anything surely had no effect; one that had begun to may have.
func TestLostAnswers(t *testing.T) {
	lost := &client.Error{Node: 1, Cause: errors.New("connection lost")}
	s, err := Begin(workloads.Operation{Object: workloads.QueueObject, F: "dequeue", Key: "q"}, wire.ReadIndex)
	require.NoError(t, err)
	require.Equal(t, history.Fail, s.Failure(lost).Type)
	_, ended := s.Answer(client.Result{TxnResult: kv.TxnResult{Applied: true, Results: []kv.Result{{Found: true, Value: []byte("1 ")}}}})
	require.False(t, ended)
	require.Equal(t, history.Info, s.Failure(lost).Type)

	s, err = Begin(workloads.Operation{F: "get", Key: "k"}, wire.ReadIndex)
	require.NoError(t, err)
	require.Equal(t, history.Info, s.Failure(lost).Type)
	done, ended := s.Answer(client.Result{TxnResult: kv.TxnResult{Applied: true}})
	require.True(t, ended)
	require.Equal(t, history.Info, done.Type, "an answer without results")
}

// Reads ask for what their names say.
func TestReadKinds(t *testing.T) {
	kinds := map[string]wire.Consistency{"get": wire.ReadIndex, "get-index": wire.ReadIndex, "get-log": wire.ThroughLog, "get-lease": wire.Lease, "get-stale": wire.Stale}
	for f, want := range kinds {
		s, err := Begin(workloads.Operation{F: f, Key: "k"}, wire.ReadIndex)
		require.NoError(t, err)
		require.Equal(t, want, s.Consistency, f)
	}
}
