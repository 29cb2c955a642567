//go:build !linux

package docker

import (
	"errors"
	"os"
	"syscall"
)

func hostIdentity() string {
	host, _ := os.Hostname()
	return host
}

// bootIdentity and a process's start are not told in a common way; a process id that is used again then keeps the
// leftovers of a dead run until `ordeal cleanup --all`.
func bootIdentity() string { return "" }

func processStart(pid int) string {
	process, err := os.FindProcess(pid)
	if err != nil {
		return ""
	}
	if err := process.Signal(syscall.Signal(0)); err != nil && !errors.Is(err, os.ErrPermission) {
		return ""
	}
	return "unknown"
}
