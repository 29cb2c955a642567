package sim

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
)

// named is a plan with the nemesis's faults, every mode that suits.
func named(t *testing.T, seed uint64, faults string) Plan {
	p := Usual(seed, "register", 5)
	p.Duration = 45 * time.Second
	asked, err := nemesis.ParseFaults(faults)
	require.NoError(t, err)
	specs, _, err := nemesis.Expand(t.Context(), asked, p.Nodes, nil, Abilities())
	require.NoError(t, err)
	names := []string{"n1", "n2", "n3", "n4", "n5"}
	s, err := nemesis.NewSchedule(specs, names, seed, p.Duration)
	require.NoError(t, err)
	p.Schedule = &s
	for _, a := range asked {
		p.Asked = append(p.Asked, a.String())
	}
	return p
}

// The nemesis of other clusters hurts the simulated one too, with evidence, and twice the same way.
func TestNemesisOnTheSimulatedCluster(t *testing.T) {
	p := named(t, 11, "kill,partition,membership,leader,pause,packet,clock,disk")
	r, err := Run(context.Background(), Options{Plan: p})
	require.NoError(t, err)
	require.Equal(t, checker.Valid, r.Verdict, r.Reason)
	took := map[string]int{}
	for _, f := range r.Judged.Faults {
		require.NotEmpty(t, f.Evidence)
		if f.Took {
			took[f.Fault]++
		}
	}
	for _, fault := range p.Asked {
		require.Positive(t, took[fault], fault)
	}
	require.NoError(t, Repeat(context.Background(), Options{Plan: p}, r))
}

// Each mode of each fault takes hold on a simulated cluster, those included that only come when they are asked for.
func TestEveryModeTakesHold(t *testing.T) {
	all, err := nemesis.ParseFaults("kill,partition,membership,leader,pause,packet,clock,disk,disk:lose-majority,disk:truncate,kill:container")
	require.NoError(t, err)
	specs, left, err := nemesis.Expand(t.Context(), all, 5, nil, Abilities())
	require.NoError(t, err)
	require.Empty(t, left)
	modes := map[string]bool{}
	for _, s := range specs {
		p := named(t, 3, s.Fault+":"+s.Mode)
		modes[p.Asked[0]] = true
		p.Duration, p.Rate = 12*time.Second, 60
		schedule, err := nemesis.NewSchedule([]nemesis.Spec{s}, p.Schedule.Nodes, p.Seed, p.Duration)
		require.NoError(t, err)
		p.Schedule = &schedule
		r, err := Run(t.Context(), Options{Plan: p})
		require.NoError(t, err)
		require.NotEqual(t, checker.Invalid, r.Verdict, "%s: %s", p.Asked[0], r.Reason)
		took := 0
		for _, f := range r.Judged.Faults {
			if f.Took {
				took++
			}
		}
		require.Positive(t, took, p.Asked[0])
	}
	require.Greater(t, len(modes), 30)
}

// What is lost after a fault that is more than a replicated log survives is told of as that.
func TestBeyondWhatRaftPromises(t *testing.T) {
	for fault, words := range map[string]string{"lose-majority": "all 1", "truncate": "is cut off at byte"} {
		p := named(t, 3, "disk:"+fault+":nodes=all")
		p.Duration = 10 * time.Second
		schedule, err := nemesis.NewSchedule([]nemesis.Spec{{Fault: nemesis.DiskFailure, Mode: fault, Parameters: map[string]string{"nodes": "all"}}}, p.Schedule.Nodes, p.Seed, p.Duration)
		require.NoError(t, err)
		p.Schedule = &schedule
		r, err := Run(t.Context(), Options{Plan: p})
		require.NoError(t, err)
		require.Equal(t, checker.Unknown, r.Verdict, r.Reason)
		require.Contains(t, r.Reason, "data was lost, as was to be expected: disk "+fault)
		require.Contains(t, strings.Join(r.Judged.Faults[0].Evidence, "; "), words)
		require.NoError(t, Repeat(t.Context(), Options{Plan: p}, r))
	}
}

// A run leaves the folder that runs on other clusters leave, and one that can be judged again.
func TestKeptRun(t *testing.T) {
	p := Swarm{Workload: "register"}.Draw(3)
	kept, err := Keep(context.Background(), Options{Plan: p}, t.TempDir(), store.Test{Name: "kept"})
	require.NoError(t, err)
	again, err := Run(context.Background(), Options{Plan: p})
	require.NoError(t, err)
	require.Equal(t, again.Hash, kept.Result.Hash, "to be watched changes nothing")
	verdict, err := kept.Run.Verdict()
	require.NoError(t, err)
	require.Equal(t, kept.Verdict.Verdict, verdict.Verdict)
	for _, file := range []string{store.PlanFile, store.TraceFile, store.TestFile, store.SealedHistoryFile, store.ObservationsFile, store.ReportFile} {
		require.FileExists(t, kept.Run.Path(file))
	}
	seen, err := kept.Run.Observations()
	require.NoError(t, err)
	require.NotEmpty(t, seen)
	commits := uint64(0)
	for _, o := range seen {
		commits = max(commits, o.Commit)
	}
	require.Positive(t, commits)

	at, sent, arrived, operations := time.Duration(0), map[string]bool{}, 0, 0
	require.NoError(t, kept.Run.Trace(func(e store.TraceEvent) bool {
		require.GreaterOrEqual(t, e.At, at)
		at = e.At
		message := fmt.Sprint(e.Node, e.Peer, e.Number)
		switch e.Kind {
		case store.TraceSent:
			require.NotEmpty(t, e.Label)
			sent[message] = true
		case store.TraceDelivered, store.TraceDropped:
			require.True(t, sent[message], message)
			arrived++
		case store.TraceInvoked, store.TraceCompleted:
			require.EqualValues(t, e.Number, kept.Result.Record[e.Index].Process)
			operations++
		}
		return true
	}))
	require.Positive(t, arrived)
	require.Equal(t, len(kept.History.Operations)+kept.completions(), operations)
	for i := range p.Nodes {
		log, err := os.ReadFile(kept.Run.NodeLog(fmt.Sprintf("n%d", i+1)))
		require.NoError(t, err)
		require.Contains(t, string(log), "msg=started")
	}
}

func (k *Kept) completions() int {
	n := k.Result.Operations
	return n.OK + n.Fail + n.Info
}

func TestPlanIsChecked(t *testing.T) {
	good := Usual(1, "register", 3)
	for want, spoil := range map[string]func(p *Plan){
		"0 nodes":                                func(p *Plan) { p.Nodes = 0 },
		"needs a client":                         func(p *Plan) { p.Workers = 0 },
		"must be positive":                       func(p *Plan) { p.Duration = 0 },
		"twice the heartbeat":                    func(p *Plan) { p.Node.Heartbeat = p.Node.ElectionTimeout },
		"twice the heartbeat 2562047h47m16":      func(p *Plan) { p.Node.Heartbeat = math.MaxInt64 },
		"heartbeat 1ns: want at least 10µs":      func(p *Plan) { p.Node.Heartbeat = 1 },
		"no workload":                            func(p *Plan) { p.Workload = "tea" },
		"10001 clients: want at most":            func(p *Plan) { p.Workers = 10001 },
		"rate NaN must not be":                   func(p *Plan) { p.Rate = math.NaN() },
		"-1 operations":                          func(p *Plan) { p.Operations = -1 },
		"segment size 100: want 512":             func(p *Plan) { p.Node.SegmentSize = 100 },
		"chunks of -1 bytes":                     func(p *Plan) { p.Node.ChunkBytes = -1 },
		"clock drift 1:":                         func(p *Plan) { p.Node.ClockDrift = 1 },
		"reads of consistency 9":                 func(p *Plan) { p.Client.Reads = 9 },
		"delay -1ns: want 0":                     func(p *Plan) { p.Network.Delay = -1 },
		"lost messages 1000001: want at most":    func(p *Plan) { p.Network.Loss = 1000001 },
		"slow disks 2000000: want at most":       func(p *Plan) { p.Disk.Slow = 2000000 },
		"two injections 1":                       func(p *Plan) { p.Injections = []Injection{{ID: 1, Fault: FaultKill}, {ID: 1, Fault: FaultKill}} },
		"comes and goes every 1ns":               func(p *Plan) { p.Injections = []Injection{{ID: 1, Fault: FaultPartition, Flaps: 1}} },
		"does not go at the rate 2000000000":     func(p *Plan) { p.Injections = []Injection{{ID: 1, Fault: FaultClock, Rate: 2_000_000_000}} },
		"injection 1: there is no fault \"tea\"": func(p *Plan) { p.Injections = []Injection{{ID: 1, Fault: "tea"}} },
		"no node number -1 after the leader":     func(p *Plan) { p.Injections = []Injection{{ID: 1, Fault: FaultOldLeader, Deaf: -1}} },
		"no node 4 among 3":                      func(p *Plan) { p.Injections = []Injection{{ID: 1, Fault: FaultKill, Nodes: []int{4}}} },
	} {
		p := good
		spoil(&p)
		_, err := Run(context.Background(), Options{Plan: p})
		require.ErrorContains(t, err, want)
	}
}

// A plan in which nothing takes time says so instead of going on for ever.
func TestTimeThatStandsStillIsNoticed(t *testing.T) {
	p := Plan{Seed: 1, Nodes: 1, Workload: "register", Workers: 1, Duration: time.Second, Timeout: time.Second,
		Node: NodePlan{Heartbeat: 10 * time.Millisecond, ElectionTimeout: 100 * time.Millisecond}}
	_, err := Run(t.Context(), Options{Plan: p})
	require.ErrorContains(t, err, "time stands still")
}
