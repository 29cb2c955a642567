//go:build !linux

package local

import "syscall"

// deathSignal is whether the kernel kills the nodes when the harness dies. This one cannot.
var deathSignal = false

// attributes puts a node into a process group of its own, so that a terminal's Ctrl-C does not reach it.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
