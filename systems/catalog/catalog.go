// Package catalog lists the systems that there are adapters of. To add one, add its line.
package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/etcd"
	"github.com/ordeal-dev/ordeal/systems/hashicorp"
	"github.com/ordeal-dev/ordeal/systems/nats"
	"github.com/ordeal-dev/ordeal/systems/redis"
	"github.com/ordeal-dev/ordeal/systems/rqlite"
)

// entry is an adapter.
type entry struct {
	name   string
	choice systems.Choice
	make   func(r systems.Reference, folder string) (systems.Deployed, error)
}

var entries = []entry{
	{"etcd", etcd.Choice, etcd.New},
	{"hashicorp", hashicorp.Choice, hashicorp.New},
	{"nats", nats.Choice, nats.New},
	{"redis", redis.Choice, redis.New},
	{"rqlite", rqlite.Choice, rqlite.New},
}

// Own is the name of the project's own node, which is no entry: the clusters know it.
const Own = "ordeal"

// Find makes the system that a command line names: NAME[@VERSION][:CONSISTENCY]. Folder is where `make systems` builds.
func Find(text, folder string) (systems.Deployed, error) {
	r, err := systems.ParseReference(text)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.name == r.Name {
			return e.make(r, folder)
		}
	}
	if r.Name == Own {
		return nil, fmt.Errorf("%s is this project's own node, as it was built with this program, and has neither versions nor consistencies to choose: say --system %s, and --node-binary FILE for a node built from another version", Own, Own)
	}
	return nil, fmt.Errorf("there is no system %q; there are %s", r.Name, strings.Join(Names(), ", "))
}

// IsReference tells whether a text names a system here with a version or a consistency: NAME@VERSION, NAME:CONSISTENCY.
func IsReference(text string) bool {
	r, err := systems.ParseReference(text)
	return err == nil && (r.Version != "" || r.Consistency != "") && slices.ContainsFunc(entries, func(e entry) bool { return e.name == r.Name })
}

// Names are the systems that there are.
func Names() []string {
	names := []string{Own}
	for _, e := range entries {
		names = append(names, e.name)
	}
	return names
}

// Help lists the systems with their versions and consistencies, a line each.
func Help() []string {
	lines := []string{fmt.Sprintf("%-10s this project's own node", Own)}
	for _, e := range entries {
		versions := "the machine's own"
		if len(e.choice.Versions) > 0 {
			versions = "@" + strings.Join(e.choice.Versions, ", @")
		}
		lines = append(lines, fmt.Sprintf("%-10s %s; reads :%s", e.name, versions, strings.Join(e.choice.Consistencies, ", :")))
	}
	return lines
}
