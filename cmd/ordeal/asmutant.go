package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/mutants"
	"github.com/ordeal-dev/ordeal/scratch"
)

// said carries the exit code of what has said by itself why.
type said struct{ code int }

func (e said) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// asMutant runs this command line again in a program with a bug seeded: the simulator's nodes are in the program itself.
func asMutant(ctx context.Context, name string, stdout, stderr io.Writer) error {
	m, err := mutants.Find(name)
	if err != nil {
		return badArgument("--mutant: %w", err)
	}
	root, err := mutants.ModuleRoot()
	if err != nil {
		return badArgument("--mutant: %w", err)
	}
	dir, err := scratch.New("mutant")
	if err != nil {
		return failure{exitFailed, err}
	}
	defer dir.Remove()
	program := filepath.Join(dir.Path, "ordeal")
	if err := m.Build(ctx, root, "./cmd/ordeal", program); err != nil {
		return stopped(ctx, err)
	}
	cmd := exec.CommandContext(ctx, program, withoutMutant(os.Args[1:])...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it says itself what became of it
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.Exited() {
		return said{exit.ExitCode()}
	}
	if err != nil {
		return stopped(ctx, err)
	}
	return nil
}

// stopped is why a program was not built, or not run to its end: it failed, or somebody interrupted this.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return failure{exitUnknown, fmt.Errorf("interrupted: %w", err)}
	}
	return failure{exitFailed, err}
}

// withoutMutant is a command line without --mutant and its value.
func withoutMutant(args []string) []string {
	var left []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--mutant":
			i++
		case strings.HasPrefix(args[i], "--mutant="):
		default:
			left = append(left, args[i])
		}
	}
	return left
}

// mutantVersion begins the version of programs with a bug seeded; its name follows.
const mutantVersion = "mutant:"

// seeded is the mutant that this program is; "" if it is none.
func seeded() string {
	if name, ok := strings.CutPrefix(version, mutantVersion); ok {
		return name
	}
	return ""
}
