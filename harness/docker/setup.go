package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	compose "github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/go-connections/nat"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"golang.org/x/sync/errgroup"
)

// readyLimit is how long a container may take from its start until its node's ports answer.
const readyLimit = 60 * time.Second

// Setup builds the image if it is new, creates network, volumes and containers, and returns once each node's process
// runs and listens on its ports. When it fails it removes again what it made.
func (c *Cluster) Setup(ctx context.Context) error {
	err := c.setup(ctx)
	if err == nil {
		return nil
	}
	if removeErr := c.Teardown(ctx); removeErr != nil {
		return errors.Join(err, fmt.Errorf("and what was set up could not be removed: %w", removeErr))
	}
	return err
}

func (c *Cluster) setup(ctx context.Context) error {
	engine, err := connect(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.engine != nil {
		c.mu.Unlock()
		engine.Close()
		return errors.New("Setup was called before: a Cluster is for one run")
	}
	c.engine = engine
	c.mu.Unlock()
	if err := c.readFacts(ctx); err != nil {
		return err
	}
	if _, err := c.image.ensure(ctx, engine); err != nil {
		return err
	}
	if err := c.createShared(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range c.plan.services {
		group.Go(func() error { return c.bringUp(ctx, s) })
	}
	return group.Wait()
}

// createLimit bounds one request that makes something on the engine.
const createLimit = 60 * time.Second

// unbroken gives a context for a request that makes something. The engine finishes it even if the caller has gone, so it
// is waited for: what is made is then seen by the removal that follows. It fails if ctx has ended already.
func unbroken(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	made, cancel := context.WithTimeout(context.WithoutCancel(ctx), createLimit)
	return made, cancel, nil
}

// createShared creates what containers need to be there: the network and the volumes.
func (c *Cluster) createShared(ctx context.Context) error {
	p := c.plan
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		ctx, cancel, err := unbroken(ctx)
		if err != nil {
			return err
		}
		defer cancel()
		_, err = c.engine.NetworkCreate(ctx, p.network.Name, network.CreateOptions{
			Driver: p.network.Driver, Internal: p.network.Internal, Options: p.network.DriverOpts,
			Labels: merge(p.network.Labels, c.labels, map[string]string{composeProject: p.project, composeNetwork: p.netKey}),
		})
		if err != nil {
			return fmt.Errorf("create network %s: %w%s", p.network.Name, err, networkRemedy(err))
		}
		return nil
	})
	for _, key := range p.volumeKeys() {
		group.Go(func() error {
			ctx, cancel, err := unbroken(ctx)
			if err != nil {
				return err
			}
			defer cancel()
			v := p.volumes[key]
			_, err = c.engine.VolumeCreate(ctx, volume.CreateOptions{
				Name: v.Name, Driver: v.Driver, DriverOpts: v.DriverOpts,
				Labels: merge(v.Labels, c.labels, map[string]string{composeProject: p.project, composeVolume: key}),
			})
			if err != nil {
				return fmt.Errorf("create volume %s: %w", v.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func networkRemedy(err error) string {
	if strings.Contains(err.Error(), "address pool") {
		return ": the engine has no subnet left: run `ordeal cleanup`, or remove networks with `docker network prune`"
	}
	return ""
}

// bringUp creates and starts one node's container and waits until its node serves.
func (c *Cluster) bringUp(ctx context.Context, s compose.ServiceConfig) error {
	id, err := c.create(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return c.join(ctx, s.Name, id)
}

// createAttempts is how often a container is created whose ports were taken by somebody meanwhile.
const createAttempts = 4

// create creates and starts a container. The host's ports are chosen here and not by the engine, which would choose others when
// the container is started again.
func (c *Cluster) create(ctx context.Context, s compose.ServiceConfig) (id string, err error) {
	ctx, cancel, err := unbroken(ctx)
	if err != nil {
		return "", err
	}
	defer cancel()
	for attempt := 1; ; attempt++ {
		config, host, attach := c.plan.containerConfig(s, c.labels)
		if err := c.choosePorts(host.PortBindings); err != nil {
			return "", err
		}
		created, err := c.engine.ContainerCreate(ctx, config, host, attach, nil, c.plan.containerName(s))
		if err != nil {
			return "", fmt.Errorf("create container: %w", err)
		}
		err = c.engine.ContainerStart(ctx, created.ID, container.StartOptions{})
		switch {
		case err == nil:
			return created.ID, nil
		case attempt == createAttempts || !portTaken(err):
			return "", fmt.Errorf("start container: %w", err)
		}
		if err := c.engine.ContainerRemove(ctx, created.ID, container.RemoveOptions{Force: true}); err != nil {
			return "", fmt.Errorf("remove a container whose port was taken: %w", err)
		}
	}
}

// choosePorts chooses the host's ports where the compose file leaves them open.
func (c *Cluster) choosePorts(bindings nat.PortMap) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, list := range bindings {
		for i := range list {
			if list[i].HostPort != "" && list[i].HostPort != "0" {
				continue
			}
			port, err := c.ports.Draw()
			if err != nil {
				return err
			}
			list[i].HostPort = strconv.Itoa(port)
		}
	}
	return nil
}

func portTaken(err error) bool {
	return strings.Contains(err.Error(), "already allocated") || strings.Contains(err.Error(), "address already in use") || strings.Contains(err.Error(), "ports are not available")
}

// join reads where a started container is to be reached, waits for its agent and node, and makes it a member.
func (c *Cluster) join(ctx context.Context, node, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("not ready within %v", readyLimit))
	defer cancel()
	m, err := c.inspect(ctx, node, id)
	if err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	health, err := c.waitAgent(ctx, m)
	if err == nil {
		m.probePort = uint16(health.ProbePort)
		err = c.waitNode(ctx, m)
	}
	if err != nil {
		m.agent.Close()
		return fmt.Errorf("%s: %w", node, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.nodes[node]; old != nil {
		old.agent.Close()
		m.earlier = old.earlier
	}
	c.nodes[node] = m
	return nil
}

func (c *Cluster) inspect(ctx context.Context, node, id string) (*member, error) {
	i, err := c.engine.ContainerInspect(ctx, id)
	if err != nil {
		return nil, err
	}
	if i.State != nil && !i.State.Running {
		return nil, fmt.Errorf("the container ended at once, exit code %d: %s", i.State.ExitCode, c.lastOutput(ctx, id))
	}
	endpoint := i.NetworkSettings.Networks[c.plan.network.Name]
	if endpoint == nil {
		return nil, fmt.Errorf("the container is not on network %s", c.plan.network.Name)
	}
	m := &member{name: node, container: id}
	if m.ip, err = netip.ParseAddr(endpoint.IPAddress); err != nil {
		return nil, fmt.Errorf("the container's address: %w", err)
	}
	var agentAddress string
	for to, port := range map[*string]int{&m.client: c.plan.client, &m.status: c.plan.status, &agentAddress: agentPort} {
		if *to, err = publishedAddress(i.NetworkSettings.Ports, port); err != nil {
			return nil, err
		}
	}
	m.agent = agent.NewClient(node, agentAddress, c.secret)
	return m, nil
}

// waitAgent waits until the agent answers.
func (c *Cluster) waitAgent(ctx context.Context, m *member) (agent.Health, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		health, err := m.agent.Health(ctx)
		if err == nil {
			if health.Netfilter != "" {
				return health, fmt.Errorf("the agent cannot partition: %s (see `ordeal doctor`)", health.Netfilter)
			}
			return health, nil
		}
		if i, inspectErr := c.engine.ContainerInspect(ctx, m.container); inspectErr == nil && !i.State.Running {
			return health, fmt.Errorf("the container ended, exit code %d: %s", i.State.ExitCode, c.lastOutput(ctx, m.container))
		}
		if !sleep(ctx, wait) {
			return health, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// waitNode waits until the node's process listens on its ports. The engine's port proxy takes connections before the
// node does, so the agent is asked what listens inside.
func (c *Cluster) waitNode(ctx context.Context, m *member) error {
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		state, err := m.agent.Process(ctx)
		if err == nil && !state.Running && state.Starts > 0 { // 0: the agent answers already, and is about to start it
			var log bytes.Buffer
			_ = m.agent.Log(ctx, &log)
			return fmt.Errorf("the node ended at start-up (%s): %s", state.Ended, tail(log.String()))
		}
		listening, err := m.agent.Ports(ctx)
		if err == nil && slices.Contains(listening, c.plan.client) && slices.Contains(listening, c.plan.status) {
			return nil
		}
		if !sleep(ctx, wait) {
			return fmt.Errorf("%w: the node runs and listens on %v, want %d and %d",
				context.Cause(ctx), listening, c.plan.client, c.plan.status)
		}
	}
}

// sleep waits and tells whether ctx is still good.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// tail is the end of an output, for an error message.
func tail(s string) string {
	const most = 2000
	s = strings.TrimSpace(s)
	if len(s) > most {
		s = "..." + s[len(s)-most:]
	}
	if s == "" {
		return "it printed nothing"
	}
	return "its last output:\n" + s
}
