package main

import "github.com/spf13/cobra"

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure ordeal itself", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(benchHarnessCommand(), benchNemesisCommand(), benchOnlineCommand())
	return cmd
}
