package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/ordeal-dev/ordeal/harness/ports"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/ordeal-dev/ordeal/systems"
)

// Nodes of a deployed system are processes like the project's own, but for two things: the system says how they are started, and they
// reach each other without links between them, since such a system's nodes tell each other one address of each node.

// drawNamed gives the node a port for each name that its system has.
func (c *Cluster) drawNamed(n *node) error {
	n.ports = map[string]int{}
	for _, p := range c.options.System.Ports() {
		if c.inside != nil {
			n.ports[p.Name] = p.Number
			continue
		}
		port, err := c.ports.Draw()
		if err != nil {
			return err
		}
		n.ports[p.Name] = port
	}
	n.client = n.ports[systems.ClientPort]
	n.peer, n.http = n.client, n.client
	if port, ok := n.ports[systems.PeerPort]; ok {
		n.peer = port
	}
	if port, ok := n.ports[systems.StatusPort]; ok {
		n.http = port
	}
	return nil
}

func (c *Cluster) site(n *node) systems.Site {
	return systems.Site{Cluster: c.id, Node: n.node, Nodes: c.options.Nodes, Data: c.dataDir(n.node), Flags: c.options.Flags,
		Listen: func(port string) string { return c.address(n, n.ports[port]) },
		At:     func(node, port string) string { return c.address(c.nodes[node], c.nodes[node].ports[port]) }}
}

// launchDeployed starts the node as its system says, and at its first start the programs beside it.
func (c *Cluster) launchDeployed(n *node) error {
	command := c.options.System.Command(c.site(n))
	if len(n.beside) < len(command.Beside) {
		for i := len(n.beside); i < len(command.Beside); i++ {
			p := c.newProcess(fmt.Sprintf("%s-beside-%d", n.node, i+1), n.node, n.log)
			n.beside = append(n.beside, p)
			if err := c.run(p, command.Beside[i]); err != nil {
				return err
			}
		}
	}
	return c.run(n.process, command)
}

func (c *Cluster) run(p *process, command systems.Command) error {
	path, known := c.programs[command.Program]
	if !known {
		return fmt.Errorf("%s: it has no program %q", c.options.System.Name(), command.Program)
	}
	for file, text := range command.Files {
		if err := agent.WriteOnce(file, text); err != nil {
			return err
		}
	}
	return p.start(path, command.Args, command.Env)
}

// listeners are the ports that a running node listens on.
func (n *node) listeners() []int {
	if len(n.ports) == 0 {
		return []int{n.peer, n.client, n.http}
	}
	var all []int
	for _, port := range n.ports {
		all = append(all, port)
	}
	return all
}

// probeListeners shows that nothing is between the nodes: their ports answer, if only by refusing a connection to a process that is down.
func (c *Cluster) probeListeners(ctx context.Context, links []nemesis.Link) ([]nemesis.Probe, error) {
	probes := make([]nemesis.Probe, len(links))
	for i, l := range links {
		probes[i] = nemesis.Probe{Link: l, Method: "tcp connection to the node's port"}
		n, err := c.node(l.To)
		if err != nil {
			return nil, err
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", ports.Address(n.peer))
		switch {
		case err == nil:
			probes[i].Crossed = true
			_ = conn.Close() // nothing was sent
		case errors.Is(err, syscall.ECONNREFUSED):
			probes[i].Crossed = true
		default:
			probes[i].Error = err.Error()
		}
	}
	return probes, ctx.Err()
}

// noLinks refuses what only links could do.
func noLinks[L any](links []L) error {
	if len(links) == 0 {
		return nil
	}
	return errors.New("local cluster: there are no links between the nodes of a deployed system")
}

func (c *Cluster) partitions() string {
	if c.inside != nil {
		return "nftables via netlink in each node's network namespace"
	}
	if c.options.System != nil {
		return "none: the nodes reach each other without links between them"
	}
	return "userspace links"
}
