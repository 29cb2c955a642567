//go:build linux

package vdso

import (
	"fmt"
	"os/exec"
)

// ProbeChild tells why a process that this one starts cannot be patched, by one that does nothing.
func ProbeChild() error {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("vdso: a process to try it on: %w", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	return Probe(cmd.Process.Pid)
}
