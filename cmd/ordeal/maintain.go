package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/harness/docker"
	"github.com/ordeal-dev/ordeal/harness/local"
)

func cleanupCommand() *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Remove what killed runs left behind",
		Long: `cleanup ends the processes and removes the containers, networks, volumes, images and folders of runs whose harness is
gone, and the temporary folders of programs that were killed. Runs that are under way are spared, unless --all is given.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			removed, err := removeLeftovers(cmd.Context(), all)
			for _, what := range removed {
				fmt.Fprintln(cmd.OutOrStdout(), "removed", what)
			}
			if err != nil {
				return failure{exitFailed, err}
			}
			if len(removed) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing was left behind")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "on Docker, remove everything of ordeal's, also of runs that are under way, and every image")
	return cmd
}

// finding is one thing that doctor looked at.
type finding struct {
	Cluster string `json:"cluster"`
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail"`
	Remedy  string `json:"remedy,omitempty"`
	// Optional: the cluster can be had without.
	Optional bool `json:"optional,omitempty"`
}

func doctorCommand() *cobra.Command {
	asJSON, agent := false, ""
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can do",
		Long: `doctor tries what each kind of cluster needs, and says what works, what does not and what to do about it.
The exit code is 0 when at least one kind of cluster can be had.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if agent == "" {
				agent = sibling("image/ordeal-agent")
			}
			var all []finding
			for _, f := range local.Doctor() {
				all = append(all, finding{"local", f.Name, f.OK, f.Detail, f.Remedy, f.Optional})
			}
			for _, f := range docker.Doctor(cmd.Context(), agent) {
				all = append(all, finding{"docker", f.Name, f.OK, f.Detail, f.Remedy, f.Optional})
			}
			if err := printFindings(cmd.OutOrStdout(), all, asJSON); err != nil {
				return failure{exitFailed, err}
			}
			if !usable(all, "local") && !usable(all, "docker") {
				return failure{exitFailed, fmt.Errorf("no kind of cluster can be had on this machine")}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "findings as JSON")
	cmd.Flags().StringVar(&agent, "agent-binary", "", "the agent to try in a container; ordeal-agent beside this program if not given")
	return cmd
}

func usable(all []finding, cluster string) bool {
	for _, f := range all {
		if f.Cluster == cluster && !f.OK && !f.Optional {
			return false
		}
	}
	return true
}

func printFindings(w io.Writer, all []finding, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(all)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range all {
		state := "ok"
		if !f.OK {
			state = "NO"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Cluster, state, f.Name, f.Detail)
		if !f.OK && f.Remedy != "" {
			fmt.Fprintf(table, "\t\t\tremedy: %s\n", f.Remedy)
		}
	}
	return table.Flush()
}
