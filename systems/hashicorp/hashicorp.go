// Package hashicorp is the adapter of a small key-value server on hashicorp/raft, whose program is in builds/.
package hashicorp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
	"github.com/ordeal-dev/ordeal/systems/web"
)

// Choice is what it can be had as: reads of a leader that a majority has just confirmed, of a node that believes that it leads, or of any node.
var Choice = systems.Choice{Versions: []string{"1.7.3"}, Consistencies: []string{"verified", "leader", "local"}}

// System is the server with one sort of reads.
type System struct{ systems.Built }

var _ systems.Deployed = System{}

// New makes the system that a reference names; folder is where `make systems` builds.
func New(r systems.Reference, folder string) (systems.Deployed, error) {
	built, err := Choice.Build(r, folder, "hashicorp")
	return System{built}, err
}

// Ports implements systems.Deployed.
func (System) Ports() []systems.Port {
	return []systems.Port{{Name: systems.ClientPort, Number: 7001}, {Name: systems.PeerPort, Number: 7000}}
}

// heartbeat is the program's own time without word of a leader before a node stands for election.
const heartbeat = 300 * time.Millisecond

// Command implements systems.Deployed.
func (System) Command(site systems.Site) systems.Command {
	args := []string{"--id", site.Node, "--data", site.Data + "/raft", "--listen", site.Listen(systems.ClientPort), "--raft", site.Listen(systems.PeerPort),
		"--advertise", site.At(site.Node, systems.PeerPort), "--heartbeat", heartbeat.String()}
	for _, node := range site.Nodes {
		args = append(args, "--peer", node+"="+site.At(node, systems.PeerPort))
	}
	return systems.Command{Program: "hashicorp", Args: append(args, site.Flags...)}
}

// ServiceBound is 15 election timeouts, each of which may be twice the heartbeat's, and the second that clients wait.
func (System) ServiceBound() time.Duration { return 15*2*heartbeat + time.Second }

// Workloads implements systems.Deployed.
func (System) Workloads() []string { return cells.Workloads() }

// Open makes a client that asks its own node, and for what only a leader does the one that the node names.
func (s System) Open(node string, addresses map[string]string) (systems.Client, error) {
	if addresses[node] == "" {
		return nil, fmt.Errorf("there is no node %q", node)
	}
	st := &store{home: node, reads: s.Reference.Consistency, nodes: map[string]*web.Client{}}
	for name, address := range addresses {
		st.nodes[name] = web.New(address)
	}
	return cells.Open(node, st), nil
}

type store struct {
	home  string
	reads string
	nodes map[string]*web.Client
}

type request struct {
	Op       string `json:"op"`
	Key      string `json:"key"`
	Value    string `json:"value,omitempty"`
	Expected string `json:"expected,omitempty"`
	Absent   bool   `json:"absent,omitempty"`
	Reads    string `json:"reads,omitempty"`
}

type answer struct {
	Found bool   `json:"found"`
	Value string `json:"value"`
	Set   bool   `json:"set"`
	Index uint64 `json:"index"`
}

// refused is what the server says of a request that it did not serve.
type refused struct {
	Message  string `json:"error"`
	Definite bool   `json:"definite"`
	Leader   string `json:"leader"`
}

func (r *refused) Error() string { return r.Message }

func (s *store) Close() {
	for _, c := range s.nodes {
		c.Close()
	}
}

// Get implements cells.Store.
func (s *store) Get(ctx context.Context, key string) (cells.Cell, error) {
	a, err := s.do(ctx, request{Op: "get", Key: key, Reads: s.reads})
	return cells.Cell{Text: a.Value, Found: a.Found, Index: a.Index}, err
}

// Put implements cells.Store.
func (s *store) Put(ctx context.Context, key, text string) error {
	_, err := s.do(ctx, request{Op: "put", Key: key, Value: text})
	return err
}

// CompareAndSet implements cells.Store.
func (s *store) CompareAndSet(ctx context.Context, key string, expected cells.Cell, text string) (cells.Swap, error) {
	a, err := s.do(ctx, request{Op: "cas", Key: key, Value: text, Expected: expected.Text, Absent: !expected.Found})
	return cells.Swap{Set: a.Set, Seen: cells.Cell{Text: a.Value, Found: a.Found, Index: a.Index}, Known: true}, err
}

// do asks the node at home, and once the leader that it names if it surely did nothing itself.
func (s *store) do(ctx context.Context, q request) (answer, error) {
	a, err := ask(ctx, s.nodes[s.home], q)
	var r *refused
	if !systems.IsDefinite(err) || !errors.As(err, &r) || r.Leader == s.home {
		return a, err
	}
	if leader := s.nodes[r.Leader]; leader != nil {
		return ask(ctx, leader, q)
	}
	return a, err
}

func ask(ctx context.Context, c *web.Client, q request) (answer, error) {
	var out answer
	a, err := c.JSON(ctx, http.MethodPost, "/kv", q, &out)
	if err != nil || a.Code == http.StatusOK {
		return out, err
	}
	var r refused
	if json.Unmarshal(a.Body, &r) != nil || r.Message == "" {
		return answer{}, fmt.Errorf("%d: %.200s", a.Code, a.Body)
	}
	return answer{}, &systems.Error{Definite: r.Definite, Err: &r}
}

type monitor map[string]*web.Client

// Monitor implements systems.Deployed.
func (System) Monitor(addresses map[string]string) systems.Monitor {
	return monitor(web.Each(addresses))
}

// Status asks the node, which reads its role and its term one after the other.
func (m monitor) Status(ctx context.Context, node string) (systems.Status, error) {
	var s struct {
		Leads                 bool
		Term, Commit, Applied uint64
	}
	a, err := m[node].JSON(ctx, http.MethodGet, "/status", nil, &s)
	if err == nil && a.Code != http.StatusOK {
		err = fmt.Errorf("%d: %.200s", a.Code, a.Body)
	}
	return systems.Status{Leads: s.Leads, Term: s.Term, Commit: s.Commit, Applied: s.Applied, Loose: true}, err
}

func (m monitor) Close() {
	for _, c := range m {
		c.Close()
	}
}
