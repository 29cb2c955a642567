// Package redis is the adapter of Redis with Sentinel: one node is the master, the others copy it, and a sentinel beside each node has another one take
// its place when a majority of them finds it gone. Copying is asynchronous, so that a failover may lose what was written last.
package redis

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
)

// Choice: clients read and write at the node that most sentinels call the master.
var Choice = systems.Choice{Consistencies: []string{"master"}}

// System is the machine's Redis.
type System struct{ reference systems.Reference }

var _ systems.Deployed = System{}

// New makes the system that a reference names.
func New(r systems.Reference, _ string) (systems.Deployed, error) {
	r, err := Choice.Complete(r)
	return System{r}, err
}

// Name is the reference in full.
func (s System) Name() string { return s.reference.String() }

// Programs are the machine's own.
func (System) Programs() (map[string]string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w: install it (Debian: apt-get install redis-server)", err)
	}
	return map[string]string{"redis-server": path}, nil
}

const sentinelPort = "sentinel"

// Ports implements systems.Deployed.
func (System) Ports() []systems.Port {
	return []systems.Port{{Name: systems.ClientPort, Number: 6379}, {Name: sentinelPort, Number: 26379}}
}

// masterName is what the sentinels call the group of nodes.
const masterName = "ordeal"

// downAfter is how long a master is silent until a sentinel takes it for gone: less than a fault stands.
const downAfter = 300 * time.Millisecond

// Command implements systems.Deployed. Redis and Sentinel keep what they learn in their configuration files, which are written once.
func (System) Command(site systems.Site) systems.Command {
	first := site.Nodes[0]
	config := filepath.Join(site.Data, "redis.conf")
	text := lines(
		"port "+port(site.Listen(systems.ClientPort)), "bind "+host(site.Listen(systems.ClientPort)), "dir "+site.Data,
		"appendonly yes", "appendfsync everysec", "save \"\"", "protected-mode no", "repl-diskless-sync-delay 0", "repl-timeout 5", "repl-ping-replica-period 1")
	names := ""
	if self := site.At(site.Node, systems.ClientPort); net.ParseIP(host(self)) == nil { // sentinels know no names unless told to
		text += lines("replica-announce-ip " + host(self))
		names = lines("sentinel resolve-hostnames yes", "sentinel announce-hostnames yes", "sentinel announce-ip "+host(self))
	}
	if site.Node != first {
		text += "replicaof " + words(site.At(first, systems.ClientPort)) + "\n"
	}
	sentinel := filepath.Join(site.Data, "sentinel.conf")
	watch := names + lines(
		"port "+port(site.Listen(sentinelPort)), "bind "+host(site.Listen(sentinelPort)), "dir "+site.Data,
		fmt.Sprintf("sentinel monitor %s %s %d", masterName, words(site.At(first, systems.ClientPort)), len(site.Nodes)/2+1),
		fmt.Sprintf("sentinel down-after-milliseconds %s %d", masterName, downAfter.Milliseconds()),
		fmt.Sprintf("sentinel failover-timeout %s 1000", masterName), fmt.Sprintf("sentinel parallel-syncs %s %d", masterName, len(site.Nodes)))
	return systems.Command{Program: "redis-server", Args: append([]string{config}, site.Flags...), Files: map[string]string{config: text},
		Beside: []systems.Command{{Program: "redis-server", Args: []string{sentinel, "--sentinel"}, Files: map[string]string{sentinel: watch}}}}
}

func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }

func host(address string) string {
	h, _, _ := net.SplitHostPort(address)
	return h
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// words is an address as Redis writes it: host, space, port.
func words(address string) string { return host(address) + " " + port(address) }

// ServiceBound is 0: a failover takes what it takes, and Redis promises nothing.
func (System) ServiceBound() time.Duration { return 0 }

// Workloads implements systems.Deployed.
func (System) Workloads() []string { return cells.Workloads() }

// Open makes a client that follows the master, and begins with its own node.
func (System) Open(node string, addresses map[string]string) (systems.Client, error) {
	if addresses[node] == "" {
		return nil, fmt.Errorf("there is no node %q", node)
	}
	return cells.Open(node, newStore(node, addresses)), nil
}
