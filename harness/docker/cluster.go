package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"

	"github.com/ordeal-dev/ordeal/harness/agents"
	"github.com/ordeal-dev/ordeal/harness/ports"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

// Cluster is one run's containers. Its methods may be called by many goroutines.
type Cluster struct {
	*agents.Network

	options Options
	image   image
	plan    *plan
	secret  string
	labels  map[string]string

	mu     sync.Mutex
	engine *client.Client
	nodes  map[string]*member
	ports  ports.Held // of the host, that were chosen for containers
	facts  map[string]string
}

// member is one node's container as the engine has it now.
type member struct {
	name      string
	container string // id
	ip        netip.Addr
	client    string // host:port
	status    string // host:port
	agent     *agent.Client
	probePort uint16

	down    bool                 // killed as a whole, and not started again
	last    nemesis.ProcessState // where it is down: its process
	earlier int                  // processes that the node had in containers that were killed
}

// New reads the compose file and the binaries. It does not talk to the engine yet.
func New(o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	secret := rand.Text()
	image, plan, err := o.prepare(secret)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		options: o, image: image, plan: plan, secret: secret, labels: thisProcess().labels(o.RunID),
		nodes: map[string]*member{}, facts: map[string]string{},
	}
	c.Network = agents.New(agents.Options{
		Nodes: c.Nodes(), ClientPort: uint16(plan.client), Mode: o.Mode, KeepConnections: o.KeepConnections,
		At: c.at, Process: c.Process, Explain: c.explainFor,
	})
	return c, nil
}

// prepare reads what the image is made of and how its containers are started.
func (o Options) prepare(secret string) (image, *plan, error) {
	if o.System != nil {
		return o.prepareDeployed(secret)
	}
	dockerfile, err := os.ReadFile(filepath.Join(dirOf(o.ComposeFile), "Dockerfile"))
	if err != nil {
		return image{}, nil, fmt.Errorf("the image's Dockerfile lies beside the compose file: %w", err)
	}
	i, err := newImage(dockerfile, map[string]string{"ordeal-node": o.NodeBinary, "ordeal-agent": o.AgentBinary})
	if err != nil {
		return i, nil, err
	}
	p, err := loadPlan(context.Background(), o, i.tag(), secret)
	return i, p, err
}

func dirOf(file string) string { return filepath.Dir(file) }

// Kind is "docker".
func (c *Cluster) Kind() string { return "docker" }

// Project is the compose project's name: `docker compose -p PROJECT ps`.
func (c *Cluster) Project() string { return c.plan.project }

// Nodes lists the nodes' names: n1, n2, ...
func (c *Cluster) Nodes() []string { return c.plan.nodes() }

// ClientAddress is host:port of the node's client port. It stays over restarts of the node and of its container.
func (c *Cluster) ClientAddress(node string) string {
	if m, err := c.member(node); err == nil {
		return m.client
	}
	return ""
}

// StatusAddress is host:port of the node's HTTP port, likewise.
func (c *Cluster) StatusAddress(node string) string {
	if m, err := c.member(node); err == nil {
		return m.status
	}
	return ""
}

func (c *Cluster) member(node string) (*member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.nodes[node]; ok {
		return m, nil
	}
	if !slices.Contains(c.plan.nodes(), node) {
		return nil, fmt.Errorf("there is no node %q: the nodes are %s", node, strings.Join(c.plan.nodes(), ", "))
	}
	return nil, fmt.Errorf("node %s is not up: call Setup first", node)
}

// at is the node as its network sees it.
func (c *Cluster) at(node string) (agents.Node, error) {
	m, err := c.member(node)
	if err != nil {
		return agents.Node{}, err
	}
	return agents.Node{Name: node, Agent: m.agent, Address: m.ip, ProbePort: m.probePort, Client: m.client, Down: m.down}, nil
}

// Kill sends SIGKILL to the node's process and returns once it is gone.
func (c *Cluster) Kill(ctx context.Context, node string) error {
	return c.order(ctx, node, (*agent.Client).Kill)
}

// Start starts the node's process again, with its container where that is down.
func (c *Cluster) Start(ctx context.Context, node string) error {
	if m, err := c.member(node); err == nil && m.down {
		return c.StartContainer(ctx, node)
	}
	return c.order(ctx, node, (*agent.Client).Start)
}

// Pause stops the node's process with SIGSTOP.
func (c *Cluster) Pause(ctx context.Context, node string) error {
	return c.order(ctx, node, (*agent.Client).Pause)
}

// Resume continues it.
func (c *Cluster) Resume(ctx context.Context, node string) error {
	return c.order(ctx, node, (*agent.Client).Resume)
}

// Process tells the state of the node's process now.
func (c *Cluster) Process(ctx context.Context, node string) (nemesis.ProcessState, error) {
	var state nemesis.ProcessState
	m, err := c.member(node)
	if err != nil {
		return state, err
	}
	if m.down {
		return m.last, nil
	}
	state, err = m.agent.Process(ctx)
	state.Starts += m.earlier
	return state, c.explain(ctx, m, err)
}

func (c *Cluster) order(
	ctx context.Context, node string, do func(*agent.Client, context.Context) (nemesis.ProcessState, error),
) error {
	m, err := c.member(node)
	if err != nil {
		return err
	}
	if m.down {
		return fmt.Errorf("%s: its container is down", node)
	}
	_, err = do(m.agent, ctx)
	return c.explain(ctx, m, err)
}

func (c *Cluster) explainFor(ctx context.Context, node string, err error) error {
	m, gone := c.member(node)
	if gone != nil {
		return err
	}
	return c.explain(ctx, m, err)
}

// explain adds the container's state to an error of an agent that did not answer.
func (c *Cluster) explain(ctx context.Context, m *member, err error) error {
	var answered *agent.Error
	if err == nil || errors.As(err, &answered) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	inspected, inspectErr := c.engine.ContainerInspect(ctx, m.container)
	switch {
	case inspectErr != nil:
		return fmt.Errorf("%w (its container: %w)", err, inspectErr)
	case inspected.State != nil && !inspected.State.Running:
		return fmt.Errorf("%w (its container is %s, exit code %d)", err, inspected.State.Status, inspected.State.ExitCode)
	}
	return err
}
