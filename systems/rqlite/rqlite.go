// Package rqlite is the adapter of rqlite: SQLite on every node, changed through a Raft log. A node that does not lead passes requests on by itself.
package rqlite

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
	"github.com/ordeal-dev/ordeal/systems/web"
)

// Choice is what rqlite can be had as. Consistencies are rqlite's own levels of reads: strong ones go through the log, linearizable ones ask a majority whether the
// leader still leads, weak ones go to who believes that it leads, none is answered by the node as it is.
var Choice = systems.Choice{Versions: []string{"8.36.0"}, Consistencies: []string{"linearizable", "strong", "weak", "none"}}

// System is rqlite of one version.
type System struct{ systems.Built }

var _ systems.Deployed = System{}

// New makes the system that a reference names; folder is where `make systems` builds.
func New(r systems.Reference, folder string) (systems.Deployed, error) {
	built, err := Choice.Build(r, folder, "rqlited")
	return System{built}, err
}

// Ports implements systems.Deployed.
func (System) Ports() []systems.Port {
	return []systems.Port{{Name: systems.ClientPort, Number: 4001}, {Name: systems.PeerPort, Number: 4002}}
}

// election is shorter than rqlite's own second, so that another leader is there before a paused one wakes up.
const election = 300 * time.Millisecond

// Command implements systems.Deployed.
func (System) Command(site systems.Site) systems.Command {
	var join []string
	for _, node := range site.Nodes {
		join = append(join, site.At(node, systems.PeerPort))
	}
	args := []string{"-node-id", site.Node, "-http-addr", site.Listen(systems.ClientPort), "-http-adv-addr", site.At(site.Node, systems.ClientPort),
		"-raft-addr", site.Listen(systems.PeerPort), "-raft-adv-addr", site.At(site.Node, systems.PeerPort),
		"-raft-timeout", election.String(), "-raft-election-timeout", election.String(), "-raft-leader-lease-timeout", election.String()}
	if len(site.Nodes) > 1 {
		args = append(args, "-bootstrap-expect", fmt.Sprint(len(site.Nodes)), "-join", strings.Join(join, ","))
	}
	args = append(append(args, site.Flags...), site.Data+"/rqlite")
	return systems.Command{Program: "rqlited", Args: args}
}

// ServiceBound is 15 election timeouts, each up to twice as long, and two seconds for clients and SQLite to come back.
func (System) ServiceBound() time.Duration { return 15*2*election + 2*time.Second }

// Workloads implements systems.Deployed.
func (System) Workloads() []string { return cells.Workloads() }

// Open makes a client of one node.
func (s System) Open(node string, addresses map[string]string) (systems.Client, error) {
	address, known := addresses[node]
	if !known {
		return nil, fmt.Errorf("there is no node %q", node)
	}
	return cells.Open(node, &store{web: web.New(address), level: s.Reference.Consistency}), nil
}

// jsonKind and post are how every request is made.
const (
	jsonKind = "application/json"
	post     = http.MethodPost
)
