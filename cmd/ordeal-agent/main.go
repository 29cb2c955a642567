// Command ordeal-agent supervises one node and does to it what a test's harness asks for. See package agent.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/spf13/cobra"
)

func main() {
	if err := command().ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "ordeal-agent:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	config := agent.Config{Stdout: os.Stdout, Secret: os.Getenv(agent.SecretVariable)}
	var wrongSite error
	config.Site, wrongSite = agent.ParseSite(os.Getenv(agent.SiteVariable))
	cmd := &cobra.Command{
		Use:   "ordeal-agent [flags] [-- command [argument...]]",
		Short: "Supervise a node and inject faults beside it",
		Long: `ordeal-agent starts the command after -- as its child and keeps the place where it runs: the child's end does
not end the agent, and the child is started again only when the harness says so. As PID 1 it reaps orphans; SIGTERM and
SIGINT are passed on, and the agent ends when the child has.

With a secret in ` + agent.SecretVariable + ` it serves the control API: start, kill, pause and resume the child,
cut and heal links with the kernel's packet filter (CAP_NET_ADMIN), probe links, serve the child's log. Without a secret
the API is off. ` + agent.SiteVariable + ` holds, as JSON, files to write where they are missing and programs to run beside the child.`,
		Example:       "  " + agent.SecretVariable + "=... ordeal-agent --name n1 -- ordeal-node --id 1 --data /data",
		Args:          commandBehindDash,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wrongSite != nil {
				return wrongSite
			}
			config.Command = args
			return agent.Run(cmd.Context(), config)
		},
	}
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Name, "name", host, "the node's name, for people")
	flags.StringVar(&config.Control, "control", "0.0.0.0:7003", "host:port of the control API (TCP)")
	flags.StringVar(&config.Probe, "probe", "0.0.0.0:7004", "host:port for probes from other agents (UDP)")
	flags.StringVar(&config.Disk, "disk", "", "folder of the child's to cover with a disk that can lose power and fail (FUSE; CAP_SYS_ADMIN, and CAP_MKNOD where /dev/fuse is missing)")
	flags.StringVar(&config.LogDir, "log-dir", "/var/log/ordeal", "folder for the child's output")
	flags.Int64Var(&config.LogLimit, "log-limit", 64<<20, "bytes of the child's output to keep at most")
	flags.DurationVar(&config.Grace, "grace", 5*time.Second, "how long the child may take to end by itself at SIGTERM")
	return cmd
}

// commandBehindDash refuses a command whose flags this program would take for its own.
func commandBehindDash(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
		return fmt.Errorf("unexpected argument %q: put -- before the command", args[0])
	}
	return nil
}
