package campaign

import (
	"fmt"
	"strings"
)

// Replay is the command that does a run again: the same version, definition and seed.
func (p *Plan) Replay(r *Run) []string {
	command := []string{"ordeal", "run"}
	var version []string
	switch kind, rest, found := strings.Cut(r.Version, ":"); {
	case r.Version == "current":
	case found && kind == "mutant":
		version = []string{"--mutant", rest}
	case found && kind == "binary":
		version = []string{"--node-binary", rest}
	default:
		command = []string{"ordeal", "torture", "--runs", "1"}
		version = []string{"--versions", r.Version}
		for _, v := range p.Versions {
			if v.Name == r.Version && v.Commit != "" {
				version[1] = v.Commit // what HEAD is changes
			}
		}
	}
	command = append(command, "--cluster", p.Cluster, "--nodes", fmt.Sprint(p.Nodes), "--workload", r.Workload, "--faults", r.Faults,
		"--clients", fmt.Sprint(p.Clients), "--rate", fmt.Sprint(p.Rate), "--time", p.Duration.String(), "--timeout", p.Timeout.String(),
		"--seed", fmt.Sprint(r.Seed))
	for _, flag := range p.NodeFlags {
		command = append(command, "--node-flag="+flag)
	}
	return append(command, version...)
}
