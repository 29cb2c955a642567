package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/mutants"
)

func mutantsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mutants",
		Short: "Seed known bugs into the node, to see whether they are found",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(mutantsListCommand(), mutantsBuildCommand(), mutantsRunCommand())
	return cmd
}

func mutantsListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the seeded bugs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := mutants.List()
			if err != nil {
				return failure{exitFailed, err}
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "NAME\tROW\tBREAKS\tPROVOKED BY\tWHAT")
			for _, m := range all {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", m.Name, m.Row, m.Breaks, m.ProvokedBy, m.Title)
			}
			return table.Flush()
		},
	}
}

func mutantsBuildCommand() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "build NAME",
		Short: "Build ordeal-node with a bug seeded (go build -overlay; the checkout is not touched)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := mutants.Find(args[0])
			if err != nil {
				return badArgument("%w", err)
			}
			root, err := mutants.ModuleRoot()
			if err != nil {
				return badArgument("%w", err)
			}
			if out == "" {
				out = "ordeal-node-" + m.Name
			}
			if err := m.Build(cmd.Context(), root, "./cmd/ordeal-node", out); err != nil {
				return failure{exitFailed, err}
			}
			fmt.Fprintln(cmd.OutOrStdout(), out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "path of the binary; ordeal-node-NAME here if not given")
	return cmd
}

func mutantsRunCommand() *cobra.Command {
	f, h, m := &runFlags{}, &huntFlags{}, &measureFlags{}
	cmd := &cobra.Command{
		Use:   "run [NAME..]",
		Short: "Run a test on nodes with a bug seeded, or hunt for bugs with the simulator",
		Long: `run NAME runs one test on nodes with that bug seeded; the flags are those of ordeal run. The verdict is to be invalid.

run [NAME..] --runs N measures the harness on a real cluster: nodes with each of the named bugs, or all, are run on fresh seeds until a run is
invalid, N times at most, and nodes without a bug N times. It says how many runs and how much time each bug took. Exit code 1: the node without a
bug was found wrong; 2: a bug was missed.

run [NAME..] --cluster sim hunts for the named bugs, or for all: simulated runs of one seed after the other, until one fails. It says how
many seeds and how much processor time that took, and what found the bug: an invariant, the history that clients saw, or the
want of progress. The bugs of rows 39 to 48 are looked for with the internal invariants off, too. A hunt draws cluster, clients and faults
from each seed, as --faults swarm does elsewhere, and so takes neither --faults nor --nodes, but these flags alone:
--` + strings.Join(simFlags, ", --") + `. Exit code 2: one was missed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.cluster == "sim" {
				return h.run(cmd.Context(), f, args, cmd.Flags(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if err := notOfSim(cmd.Flags()); err != nil {
				return err
			}
			if err := f.readSchedule(cmd.Flags()); err != nil {
				return err
			}
			if m.runs > 0 {
				m.parallel = h.parallel
				return m.measure(cmd.Context(), f, args, cmd.Flags(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if len(args) != 1 {
				return badArgument("name one mutant (ordeal mutants list shows them); --runs N and --cluster sim take several, or none for all")
			}
			if m.markdown {
				return badArgument("--markdown goes with --runs N")
			}
			f.mutant = args[0]
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.Flags().Changed("seed") || f.planned != nil)
		},
	}
	f.register(cmd.Flags())
	h.register(cmd.Flags())
	m.register(cmd.Flags())
	if err := cmd.Flags().MarkHidden("mutant"); err != nil {
		panic(err) // the flag was just registered
	}
	return cmd
}

// notOfSim refuses the flags that only hunts with the simulator heed.
func notOfSim(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(flag *pflag.Flag) {
		if err == nil && slices.Contains([]string{"cpu", "repeat", "shrink", "no-invariants"}, flag.Name) {
			err = badArgument("--%s goes with --cluster sim", flag.Name)
		}
	})
	return err
}
