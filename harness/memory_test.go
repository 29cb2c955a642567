package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// memoryStore is a store in this process: one map, so that it is linearizable unless a script spoils it.
type memoryStore struct {
	mu     sync.Mutex
	values map[string]history.Value
	// script may take an operation over: it answers with true, and what it did not touch goes its usual way.
	script func(ctx context.Context, op workloads.Operation) (systems.Completion, bool)
	open   error // of Open
}

func (s *memoryStore) Name() string { return "memory" }

func (s *memoryStore) Open(node string, addresses map[string]string) (systems.Client, error) {
	if addresses[node] == "" {
		return nil, fmt.Errorf("no address of %s", node)
	}
	return &memoryClient{s, node}, s.open
}

type memoryClient struct {
	store *memoryStore
	node  string
}

func (c *memoryClient) Close() {}

func (c *memoryClient) Invoke(ctx context.Context, op workloads.Operation) systems.Completion {
	s := c.store
	if s.script != nil {
		if done, taken := s.script(ctx, op); taken {
			return done
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string]history.Value{}
	}
	old := s.values[op.Key]
	done := systems.Completion{Type: history.OK, Node: c.node}
	switch op.F {
	case "put":
		s.values[op.Key] = op.Input
	case "cas":
		done.Output = old
		if expected, to, _ := op.Input.AsPair(); expected.Equal(old) {
			s.values[op.Key] = to
		}
	default:
		done.Output = old
	}
	return done
}

// memoryCluster is a cluster whose processes and links are entries in maps. Its hooks may spoil any of its calls: they
// are asked first, with the name of the call and the node.
type memoryCluster struct {
	t      *testing.T
	names  []string
	status *httptest.Server
	hook   func(call, node string) error

	mu        sync.Mutex
	processes map[string]nemesis.ProcessState
	cut       []nemesis.Link
	deafCuts  bool // cuts do nothing
	up        int  // Setups less Teardowns
	teardowns int
}

func newMemoryCluster(t *testing.T, nodes int) *memoryCluster {
	c := &memoryCluster{t: t, processes: map[string]nemesis.ProcessState{}}
	for i := range nodes {
		c.names = append(c.names, fmt.Sprintf("n%d", i+1))
	}
	c.status = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"role": "follower", "term": 1}`)
	}))
	t.Cleanup(c.status.Close)
	return c
}

func (c *memoryCluster) ask(call, node string) error {
	if c.hook == nil {
		return nil
	}
	return c.hook(call, node)
}

func (c *memoryCluster) Kind() string                     { return "memory" }
func (c *memoryCluster) Nodes() []string                  { return slices.Clone(c.names) }
func (c *memoryCluster) ClientAddress(node string) string { return node + ":1" }
func (c *memoryCluster) StatusAddress(string) string {
	return strings.TrimPrefix(c.status.URL, "http://")
}
func (c *memoryCluster) Facts() map[string]string { return map[string]string{"ground": "memory"} }

func (c *memoryCluster) Pause(_ context.Context, node string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.processes[node]
	p.Paused = true
	c.processes[node] = p
	return nil
}

func (c *memoryCluster) Resume(_ context.Context, node string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.processes[node]
	p.Paused = false
	c.processes[node] = p
	return nil
}

func (c *memoryCluster) Setup(ctx context.Context) error {
	if err := errors.Join(c.ask("setup", ""), ctx.Err()); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up++
	for i, node := range c.names {
		c.processes[node] = nemesis.ProcessState{Running: true, PID: 100 + i, Starts: 1}
	}
	return nil
}

func (c *memoryCluster) Teardown(context.Context) error {
	c.mu.Lock()
	c.up, c.teardowns = 0, c.teardowns+1
	c.mu.Unlock()
	return c.ask("teardown", "")
}

func (c *memoryCluster) CollectLogs(_ context.Context, dir string) error {
	if err := c.ask("logs", ""); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "n1.log"), []byte("started\n"), 0o644)
}

// end ends a node's process in the given way.
func (c *memoryCluster) end(node, how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.processes[node]
	p.Running, p.Ended = false, how
	c.processes[node] = p
}

func (c *memoryCluster) Kill(_ context.Context, node string) error {
	if err := c.ask("kill", node); err != nil {
		return err
	}
	c.end(node, killed)
	return nil
}

func (c *memoryCluster) Start(_ context.Context, node string) error {
	if err := c.ask("start", node); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.processes[node]
	c.processes[node] = nemesis.ProcessState{Running: true, PID: p.PID + 100, Starts: p.Starts + 1}
	return nil
}

func (c *memoryCluster) Process(_ context.Context, node string) (nemesis.ProcessState, error) {
	if err := c.ask("process", node); err != nil {
		return nemesis.ProcessState{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.processes[node], nil
}

func (c *memoryCluster) Cut(_ context.Context, links []nemesis.Link) error {
	if err := c.ask("cut", ""); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deafCuts {
		c.cut = slices.Clone(links)
	}
	return nil
}

func (c *memoryCluster) Probe(_ context.Context, links []nemesis.Link) ([]nemesis.Probe, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var probes []nemesis.Probe
	for _, l := range links {
		probes = append(probes, nemesis.Probe{Link: l, Crossed: !slices.Contains(c.cut, l), Method: "a look into the map"})
	}
	return probes, nil
}

// administeredStore is a memoryStore on a cluster whose members can be changed.
type administeredStore struct {
	memoryStore
	members *memoryMembers
}

func (s *administeredStore) Administer(map[string]string) (nemesis.Members, error) {
	return s.members, nil
}

// memoryMembers are the members of a memoryCluster. The first voter leads, but for transfers.
type memoryMembers struct {
	cluster *memoryCluster
	end     string // how a removed node's process ends

	mu     sync.Mutex
	voters []string
	leader string
	term   uint64
}

func newMemoryMembers(c *memoryCluster) *memoryMembers {
	return &memoryMembers{cluster: c, end: stopped, voters: c.Nodes(), leader: c.names[0], term: 1}
}

func (m *memoryMembers) Membership(_ context.Context, node string) (nemesis.Membership, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return nemesis.Membership{Leads: node == m.leader, Term: m.term, Voters: slices.Clone(m.voters)}, nil
}

func (m *memoryMembers) ChangeMembers(_ context.Context, add, remove []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.voters = slices.DeleteFunc(append(m.voters, add...), func(node string) bool { return slices.Contains(remove, node) })
	slices.Sort(m.voters)
	for _, node := range remove {
		m.cluster.end(node, m.end)
	}
	m.lead(m.voters[0])
	return nil
}

func (m *memoryMembers) TransferLeadership(_ context.Context, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lead(to)
	return nil
}

func (m *memoryMembers) lead(node string) {
	if node != m.leader {
		m.leader, m.term = node, m.term+1
	}
}

// isGone asserts that the run has taken the cluster down.
func (c *memoryCluster) isGone() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Zero(c.t, c.up)
	require.NotZero(c.t, c.teardowns)
}

// memoryTest is a short test of a memoryStore.
func memoryTest(t *testing.T, store *memoryStore, faults string) Test {
	specs, err := nemesis.ParseFaults(faults)
	require.NoError(t, err)
	b := usualBounds
	b.ready, b.hurried, b.final, b.stuck = 5*time.Second, 30*time.Second, time.Minute, time.Minute
	return Test{System: store, Workload: "register", Faults: specs, Clients: 5, Rate: 1000, Duration: time.Second, Seed: 1,
		OperationTimeout: 100 * time.Millisecond, Results: t.TempDir(), bounds: &b}
}
