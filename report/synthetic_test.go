package report_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// plan is a run to make up: a register store that is linearizable unless told otherwise, with faults that slow it down
// and make clients give up. The history goes through the real writer, the verdict comes from the real checker.
type plan struct {
	seed     uint64
	length   time.Duration
	clients  int
	keys     int
	pace     time.Duration // between an answer and the client's next operation, on average
	stale    time.Duration // from then on now and then a read answers with the value before the last; 0: never
	keyName  func(i int) string
	noFaults bool
	seal     bool
}

func defaultPlan() plan {
	return plan{
		seed: 7, length: 30 * time.Second, clients: 10, keys: 6, pace: 30 * time.Millisecond,
		keyName: func(i int) string { return fmt.Sprintf("k%d", i) },
	}
}

var madeFaults = []store.FaultInterval{
	{ID: 1, Fault: "kill", Mode: "leader", Text: "n1", Start: 3100 * time.Millisecond, End: 5400 * time.Millisecond, Took: true, Healed: true,
		Evidence: []string{"n1: pid 4312 gone after SIGKILL", "n1: pid 4377 runs again and answers"}},
	{ID: 2, Fault: "partition", Mode: "majority", Text: "n1 n2 | n3 n4 n5", Start: 8 * time.Second, End: 12 * time.Second, Took: true, Healed: true,
		Evidence: []string{"12 of 12 probes across the cut were lost", "8 of 8 probes inside each side arrived"}},
	{ID: 3, Fault: "partition", Mode: "one-way", Text: "n4 → n2", Start: 15 * time.Second, End: 18 * time.Second, Took: true, Healed: true,
		Evidence: []string{"2 of 2 probes n4 to n2 were lost, 2 of 2 back arrived"}},
	{ID: 4, Fault: "kill", Mode: "minority", Text: "n2 n5", Start: 17 * time.Second, End: 19500 * time.Millisecond, Took: true, Healed: true,
		Evidence: []string{"n2, n5: gone after SIGKILL"}},
	{ID: 5, Fault: "partition", Mode: "bridge", Text: "n1 n2 n3 | n3 n4 n5", Start: 22 * time.Second, End: 25 * time.Second, Took: false, Healed: true,
		Evidence: []string{"4 of 8 probes across the cut arrived"}},
}

var madeLeaders = []store.Leadership{
	{Term: 1, Node: "n1", Start: 400 * time.Millisecond, End: 3100 * time.Millisecond},
	{Term: 3, Node: "n2", Start: 3700 * time.Millisecond, End: 8500 * time.Millisecond},
	{Term: 4, Node: "n4", Start: 8900 * time.Millisecond, End: 30 * time.Second},
}

// inFault tells whether an operation at a moment has a hard time.
func (p plan) inFault(at time.Duration) bool {
	return !p.noFaults && slices.ContainsFunc(madeFaults, func(f store.FaultInterval) bool {
		return f.Took && at >= f.Start && at < f.Start+min(f.End-f.Start, 900*time.Millisecond)
	})
}

// client is one client's operation on its way.
type client struct {
	process int
	at      time.Duration // of its next step
	step    int           // 0 call, 1 effect, 2 return
	event   history.Event
	output  history.Value
	kind    history.Type
	returns time.Duration
}

// makeHistory plays the plan, event by event in order of time.
func (p plan) makeHistory(emit func(history.Event)) {
	random := rand.New(rand.NewPCG(p.seed, 1))
	values, before := map[string]history.Value{}, map[string]history.Value{}
	next, processes := int64(0), p.clients
	clients := make([]*client, p.clients)
	for i := range clients {
		clients[i] = &client{process: i, at: time.Duration(random.Int64N(int64(p.pace) + 1))}
	}
	nemesis := p.nemesisEvents()
	index := uint64(0)
	for {
		c := slices.MinFunc(clients, func(a, b *client) int { return cmp.Compare(a.at, b.at) })
		for len(nemesis) > 0 && nemesis[0].Time <= c.at {
			emit(nemesis[0])
			nemesis = nemesis[1:]
		}
		switch c.step {
		case 0:
			if c.at >= p.length {
				return
			}
			next++
			p.call(c, random, next, values)
			emit(c.event)
		case 1:
			index++
			p.effect(c, random, values, before, index)
		case 2:
			e := c.event
			e.Type, e.Input, e.Output, e.Time = c.kind, history.Nil, c.output, c.at
			e.Node = fmt.Sprintf("n%d", c.process%5+1)
			if c.kind == history.OK {
				e.LogIndex = index
			} else {
				e.Output, e.Error = history.Nil, "timeout: no answer in 1 s"
			}
			if c.kind == history.Fail {
				e.Error = "connection refused"
			}
			emit(e)
			if c.kind == history.Info {
				c.process, processes = processes, processes+1
			}
			c.step, c.at = 0, c.at+time.Duration(random.ExpFloat64()*float64(p.pace))
		}
	}
}

func (p plan) call(c *client, random *rand.Rand, unique int64, values map[string]history.Value) {
	key := p.keyName(random.IntN(p.keys))
	c.event = history.Event{Time: c.at, Late: 50 * time.Microsecond, Process: c.process, Type: history.Invoke, Key: key, Node: fmt.Sprintf("n%d", c.process%5+1)}
	switch dice := random.IntN(10); {
	case dice < 5:
		c.event.F = "get"
	case dice < 9:
		c.event.F, c.event.Input = "put", history.Int(unique)
	default:
		c.event.F, c.event.Input = "cas", history.List(values[key], history.Int(unique))
	}
	latency := time.Duration(float64(2*time.Millisecond) * (0.4 + random.ExpFloat64()))
	c.kind = history.OK
	if p.inFault(c.at) {
		latency *= 20
		switch random.IntN(12) {
		case 0:
			c.kind, latency = history.Info, time.Second
		case 1:
			c.kind, latency = history.Fail, latency/8
		}
	}
	c.step, c.returns = 1, c.at+latency
	c.at += time.Duration(float64(latency) * (0.2 + 0.6*random.Float64()))
}

func (p plan) effect(c *client, random *rand.Rand, values, before map[string]history.Value, index uint64) {
	key := c.event.Key
	write := func(v history.Value) { before[key], values[key] = values[key], v }
	c.output = history.Nil
	switch {
	case c.kind == history.Fail, c.kind == history.Info && random.IntN(2) == 0:
		// no effect
	case c.event.F == "get":
		c.output = values[key]
		if p.stale > 0 && c.at > p.stale && random.IntN(25) == 0 {
			c.output = before[key]
		}
	case c.event.F == "put":
		write(c.event.Input)
	case c.event.F == "cas":
		old, swap, _ := c.event.Input.AsPair()
		c.output = values[key]
		if values[key].Equal(old) {
			write(swap)
		}
	}
	c.step, c.at = 2, c.returns
}

func (p plan) nemesisEvents() []history.Event {
	var events []history.Event
	if p.noFaults {
		return nil
	}
	for _, f := range madeFaults {
		for _, at := range []time.Duration{f.Start, f.End} {
			events = append(events, history.Event{Time: at, Process: history.NemesisProcess, Type: history.Info, F: f.Fault})
		}
	}
	slices.SortStableFunc(events, func(a, b history.Event) int { return cmp.Compare(a.Time, b.Time) })
	return events
}

// makeRun writes the plan's run under root.
func (p plan) makeRun(t testing.TB, root, name string) *store.Run {
	t.Helper()
	started := time.Date(2026, 11, 23, 6, 33, 22, 123e6, time.UTC)
	run, err := store.Create(root, name, started)
	require.NoError(t, err)
	require.NoError(t, run.WriteTest(store.Test{
		Name: name, Command: []string{"ordeal", "run", "--cluster", "docker", "--workload", "register", "--faults", "kill,partition", "--time", "30s", "--seed", "7"},
		Started: started, Began: started.Add(time.Second), System: "ordeal-node", Cluster: "docker", Workload: "register", Faults: []string{"kill", "partition"},
		Nodes: []string{"n1", "n2", "n3", "n4", "n5"}, Clients: p.clients, Rate: 300, Duration: p.length, Seed: p.seed,
		Versions: map[string]string{"ordeal": "v0.1.0 (2883eea)", "go": "go1.26.8", "ordeal-node": "v0.1.0"},
		Machine:  map[string]string{"kernel": "Linux 6.18.0", "cores": "2", "engine": "Docker 20.10.24 (API 1.41)", "partitions by": "nftables, bridge family"},
	}))
	w, err := history.Create(run.Path(store.HistoryFile))
	require.NoError(t, err)
	p.makeHistory(func(e history.Event) { w.Append(e) })
	require.NoError(t, w.Close())
	for _, node := range []string{"n1", "n2", "n3", "n4", "n5"} {
		require.NoError(t, os.WriteFile(run.NodeLog(node), []byte(p.makeLog(node, started.Add(time.Second))), 0o644))
	}
	p.writeObservations(t, run)
	p.judge(t, run)
	if p.seal {
		_, err := history.Seal(run.Path(store.HistoryFile))
		require.NoError(t, err)
	}
	return run
}

// makeLog is what a node wrote: a line a second, and one without a time.
func (p plan) makeLog(node string, began time.Time) string {
	var text strings.Builder
	for at := time.Duration(0); at < p.length; at += time.Second {
		fmt.Fprintf(&text, "time=%s level=INFO msg=tick node=%s second=%d\n", began.Add(at).Format(time.RFC3339Nano), node, at/time.Second)
	}
	return text.String() + "panic: the end\n"
}

func (p plan) writeObservations(t testing.TB, run *store.Run) {
	w, err := run.CreateObservations()
	require.NoError(t, err)
	say := func(at time.Duration, node, role string, term uint64) {
		require.NoError(t, w.Write(store.Observation{Time: at, Node: node, Role: role, Term: term, Commit: uint64(at / time.Millisecond)}))
	}
	for _, node := range []string{"n1", "n2", "n3", "n4", "n5"} {
		say(100*time.Millisecond, node, "follower", 1)
	}
	say(400*time.Millisecond, "n1", "leader", 1)
	if !p.noFaults {
		say(3100*time.Millisecond, "n1", "down", 0)
		say(3500*time.Millisecond, "n3", "candidate", 2)
		say(3600*time.Millisecond, "n3", "follower", 3)
		say(3700*time.Millisecond, "n2", "leader", 3)
		say(5400*time.Millisecond, "n1", "follower", 3)
		say(8500*time.Millisecond, "n2", "follower", 4)
		say(8900*time.Millisecond, "n4", "leader", 4)
		say(17*time.Second, "n2", "down", 0)
		say(17*time.Second, "n5", "down", 0)
		say(19500*time.Millisecond, "n2", "follower", 4)
		say(19500*time.Millisecond, "n5", "follower", 4)
	}
	require.NoError(t, w.Close())
}

// judge checks the history as it is in the file.
func (p plan) judge(t testing.TB, run *store.Run) {
	h, err := history.Load(run.Path(store.HistoryFile))
	require.NoError(t, err)
	result := checker.Linearizable(checker.Register()).Check(context.Background(), h, checker.Options{Timeout: 30 * time.Second})
	v := store.Verdict{Verdict: result.Verdict, Reason: result.Reason, Results: []checker.Result{result}, Length: h.Length, ByF: map[string]store.Counts{}}
	if v.Reason == "" {
		v.Reason = fmt.Sprintf("Every one of the %d keys has an order of its operations that explains all answers, while 4 faults were in force.", len(result.Keys))
	}
	for _, op := range h.Operations {
		switch op.Type {
		case history.OK:
			v.Operations.OK++
		case history.Fail:
			v.Operations.Fail++
		default:
			v.Operations.Info++
		}
	}
	if !p.noFaults {
		v.Faults, v.Leaders = slices.Clone(madeFaults), madeLeaders
		for i := range v.Faults {
			f := &v.Faults[i]
			for _, op := range h.Operations {
				if op.Call < f.End && op.Return > f.Start {
					f.Overlaps++
				}
			}
		}
	}
	require.NoError(t, run.WriteVerdict(v))
}
