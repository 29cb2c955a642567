// Command ordeal puts replicated systems through an ordeal and says whether what their clients saw was linearizable.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness/namespaces"
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

func main() {
	namespaces.Main() // does not return where this program was started to keep the namespaces of another
	os.Exit(guarded(run))
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), interruptions()...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	outlivePipes()
	return exitCode(root().ExecuteContext(ctx))
}

// guarded gives a program that panics an exit code of its own: Go's is 2, which stands for the verdict unknown.
func guarded(program func() int) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "ordeal: a bug of ordeal itself: %v\n%s", p, debug.Stack())
			code = exitFailed
		}
	}()
	return program()
}

// interruptions are the signals that end a run early and in order. A program under nohup is not to hear of its terminal.
func interruptions() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// outlivePipes keeps a closed pipe (ordeal run | head) from ending the program before it has taken its cluster down:
// writing to the pipe fails instead.
func outlivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func exitCode(err error) int {
	var v verdictReached
	var f failure
	var e said
	switch {
	case err == nil:
		return exitValid
	case errors.As(err, &v):
		return v.code()
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &f):
		fmt.Fprintln(os.Stderr, "ordeal:", harmless(err.Error()))
		return f.code
	}
	fmt.Fprintf(os.Stderr, "ordeal: %s; see `ordeal --help`\n", harmless(err.Error()))
	return exitArguments // what cobra says about commands and arguments
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
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return badArgument("%w; see `%s --help`", err, cmd.CommandPath())
	})
	cmd.AddCommand(runCommand(), checkCommand(), cleanupCommand(), doctorCommand(), mutantsCommand(), ctlCommand(), tortureCommand(), mergeCommand(), compareCommand(), bisectCommand(),
		replayCommand(), shrinkCommand())
	cmd.AddCommand(reportCommand(), serveCommand(), benchCommand())
	return cmd
}
