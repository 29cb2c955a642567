package local

import "syscall"

// deathSignal is whether the kernel kills the nodes when the harness dies.
var deathSignal = true

// attributes puts a node into a process group of its own, so that a terminal's Ctrl-C does not reach it.
func attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if deathSignal {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}
