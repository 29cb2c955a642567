// Command ordeal puts replicated systems through an ordeal and says whether what their clients saw was linearizable.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checker"
)

// version is set at build time.
var version = "devel"

// Exit codes, as in Jepsen.
const (
	exitValid     = 0
	exitInvalid   = 1
	exitUnknown   = 2
	exitArguments = 254
	exitFailed    = 255
)

// failure is an error with the exit code it calls for.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

func badArgument(format string, args ...any) error {
	return failure{exitArguments, fmt.Errorf(format, args...)}
}

// verdictReached is no failure: it only carries the exit code of a verdict.
type verdictReached struct{ verdict checker.Verdict }

func (v verdictReached) Error() string { return string(v.verdict) }

func (v verdictReached) code() int {
	switch v.verdict {
	case checker.Valid:
		return exitValid
	case checker.Invalid:
		return exitInvalid
	}
	return exitUnknown
}

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	return exitCode(root().ExecuteContext(ctx))
}

func exitCode(err error) int {
	var v verdictReached
	var f failure
	switch {
	case err == nil:
		return exitValid
	case errors.As(err, &v):
		return v.code()
	case errors.As(err, &f):
		fmt.Fprintln(os.Stderr, "ordeal:", err)
		return f.code
	}
	fmt.Fprintln(os.Stderr, "ordeal:", err)
	return exitArguments // what cobra says about flags and commands
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ordeal",
		Short: "Put a replicated system through an ordeal and judge whether it was linearizable",
		Long: `ordeal starts a cluster, lets clients work on it while nodes are killed and cut off from each other, and checks
whether all that the clients saw can be explained by one order of the operations (linearizability).

Exit codes: 0 valid, 1 invalid, 2 unknown, 254 bad arguments, 255 the harness itself failed.`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(runCommand(), checkCommand(), cleanupCommand(), doctorCommand(), mutantsCommand())
	return cmd
}
