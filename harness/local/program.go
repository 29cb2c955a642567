package local

import (
	"os"
	"os/exec"
)

// command is a program to be run.
type command struct {
	path      string
	args, env []string // env: all of it
}

// program is a program that runs, or did.
type program struct {
	*os.Process
	wait func() string // returns once it has ended: how. To be called once
}

// starter starts programs for one node. What they print is appended to the log.
type starter func(command, *os.File) (*program, error)

// startHere starts a program as a process beside the harness.
func startHere(c command, log *os.File) (*program, error) {
	cmd := exec.Command(c.path, c.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = c.env, log, log, attributes()
	if err := start(cmd); err != nil {
		return nil, err
	}
	return &program{cmd.Process, func() string {
		_ = cmd.Wait() // How it ended is in cmd.ProcessState.
		return cmd.ProcessState.String()
	}}, nil
}
