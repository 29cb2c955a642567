package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/ordeal-dev/ordeal/harness/agents"
	"github.com/ordeal-dev/ordeal/harness/namespaces"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
)

// Links say what is between the nodes.
type Links string

const (
	// Auto are Namespaces where the machine has them, else Userspace.
	Auto Links = "auto"
	// Userspace links are connections through the harness, which cuts and shapes them.
	Userspace Links = "userspace"
	// Namespaces give every node a network namespace of its own, with the kernel's packet filter and packet queues.
	Namespaces Links = "namespaces"
)

// Ports of a node in a namespace of its own, as in a container.
const (
	peerPort   = 7000
	clientPort = 7001
	httpPort   = 7002
)

// inside is the nodes' network where they are in namespaces of their own.
type inside struct {
	*agents.Network
	net *namespaces.Net
}

// namespacesRemedy is what can be done where there are none.
const namespacesRemedy = "run as root, or let anybody make user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0); in a container it takes --cap-add SYS_ADMIN,NET_ADMIN"

// probeNamespaces tries once whether this machine has namespaces.
var probeNamespaces = sync.OnceValue(func() error { return namespaces.Probe(context.Background()) })

// choose decides what is between the nodes.
func (l Links) choose() (Links, error) {
	switch l {
	case Userspace, "":
		return Userspace, nil
	case Auto:
		if probeNamespaces() == nil {
			return Namespaces, nil
		}
		return Userspace, nil
	case Namespaces:
		if err := probeNamespaces(); err != nil {
			return l, fmt.Errorf("network namespaces: %w; %s", err, namespacesRemedy)
		}
		return l, nil
	}
	return l, fmt.Errorf("links %q: want %s, %s or %s", l, Auto, Namespaces, Userspace)
}

// Between says in words what is between the nodes.
func (c *Cluster) Between() string {
	switch {
	case c.links == Namespaces:
		return "network namespaces"
	case c.options.System != nil:
		return "nothing between the nodes"
	case c.options.Links == Auto:
		return fmt.Sprintf("userspace links, because there are no network namespaces: %v", probeNamespaces())
	}
	return "userspace links"
}

// openNamespaces makes the nodes' namespaces.
func (c *Cluster) openNamespaces(ctx context.Context) error {
	published := map[string]int{systems.ClientPort: clientPort, systems.StatusPort: httpPort, systems.PeerPort: peerPort}
	if c.options.System != nil {
		published = map[string]int{}
		for _, p := range c.options.System.Ports() {
			published[p.Name] = p.Number
		}
	}
	outward := []int{published[systems.ClientPort]}
	if status, ok := published[systems.StatusPort]; ok {
		outward = append(outward, status)
	}
	net, err := namespaces.Open(ctx, namespaces.Options{
		Nodes: c.options.Nodes, Ports: outward, Start: start,
		Log:    c.logPath,
		Folder: func(node string) string { return filepath.Join(c.record.Dir, logsFolder, "agent-"+node) },
	})
	if err != nil {
		return err
	}
	c.inside = &inside{net: net, Network: agents.New(agents.Options{
		Nodes: c.options.Nodes, ClientPort: uint16(published[systems.ClientPort]),
		At:      func(node string) (agents.Node, error) { return net.At(node, published[systems.ClientPort]) },
		Process: c.Process,
		Explain: func(_ context.Context, _ string, err error) error { return err },
	})}
	keeper, err := identify(net.PID())
	if err != nil {
		return fmt.Errorf("the keeper of the namespaces: %w", err)
	}
	return c.record.setProcess("the keeper of the namespaces", keeper)
}

// startIn starts programs in the node's namespace.
func (i *inside) startIn(node string) starter {
	return func(c command, log *os.File) (*program, error) {
		process, wait, err := i.net.Start(node, namespaces.Command{Path: c.path, Args: c.args, Env: c.env, Log: log.Name()})
		if err != nil {
			return nil, err
		}
		return &program{process, wait}, nil
	}
}

// lacksInside tells why a fault cannot be done to nodes in namespaces, after Setup.
func (c *Cluster) lacksInside(ctx context.Context, fault, mode string) error {
	if fault != nemesis.PacketTrouble || c.isUp() != nil { // nobody can be asked yet
		return nil
	}
	return c.inside.LacksPackets(ctx, mode)
}

// CutClients keeps clients from exactly the given nodes.
func (c *Cluster) CutClients(ctx context.Context, nodes []string) error {
	if err := c.isUp(); err != nil {
		return err
	}
	if c.inside == nil {
		return noLinks(nodes)
	}
	return c.inside.CutClients(ctx, nodes)
}

// ProbeClients tries to reach each node as a client does.
func (c *Cluster) ProbeClients(ctx context.Context, nodes []string) ([]nemesis.Probe, error) {
	if err := c.isUp(); err != nil {
		return nil, err
	}
	if c.inside == nil {
		return nil, noLinks(nodes)
	}
	return c.inside.ProbeClients(ctx, nodes)
}
