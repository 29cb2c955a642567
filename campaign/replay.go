package campaign

import (
	"fmt"
	"strings"
)

// Replay is the command that does a run again: the same version, definition, seed and, where the campaign has one, schedule.
func (c *Campaign) Replay(r *Run) []string {
	p := &c.Plan
	command := []string{"ordeal", "run"}
	var version []string
	switch kind, rest, found := strings.Cut(r.Version, ":"); {
	case r.Version == "current":
	case p.Cluster == "sim": // whose versions are programs of their own
		command = []string{"ordeal", "torture", "--runs", "1"}
		version = []string{"--versions", p.fixed(r.Version)}
	case found && kind == "mutant":
		version = []string{"--mutant", rest}
	case found && kind == "binary":
		version = []string{"--node-binary", rest}
	default:
		command = []string{"ordeal", "torture", "--runs", "1"}
		version = []string{"--versions", p.fixed(r.Version)}
	}
	command = append(command, "--cluster", p.Cluster)
	if len(p.Schedule) > 0 {
		command = append(command, "--workload", r.Workload, "--schedule", c.Folder)
	} else {
		command = append(command, "--nodes", fmt.Sprint(p.Nodes), "--workload", r.Workload, "--faults", r.Faults)
	}
	command = append(command, "--seed", fmt.Sprint(r.Seed))
	if !Drawn(r.Cell.Faults) {
		command = append(command, p.Shape()...)
	}
	for _, flag := range p.NodeFlags {
		command = append(command, "--node-flag="+flag)
	}
	return append(command, version...)
}

// fixed is a version's name that stays what it is: HEAD does not.
func (p *Plan) fixed(name string) string {
	for _, v := range p.Versions {
		if v.Name == name && v.Commit != "" {
			return v.Commit
		}
	}
	return name
}

// Drawn tells whether a mixture of faults, of the simulator, has clients and times drawn from the seed too.
func Drawn(faults string) bool { return faults == "swarm" || strings.HasPrefix(faults, "swarm:") }

// Shape are the flags of what clients do and for how long.
func (p *Plan) Shape() []string {
	return []string{"--clients", fmt.Sprint(p.Clients), "--rate", fmt.Sprint(p.Rate), "--time", p.Duration.String(), "--timeout", p.Timeout.String()}
}
