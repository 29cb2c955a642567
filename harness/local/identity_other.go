//go:build !linux

package local

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// identify asks ps, which every Unix has.
func identify(pid int) (identity, error) {
	fields, err := ps(pid, "state=", "lstart=", "comm=")
	if err != nil {
		return identity{}, err
	}
	// S Mon Nov 23 06:44:34 2026 /path/of/executable
	if len(fields) < 7 {
		return identity{}, fmt.Errorf("ps says of process %d: %q", pid, fields)
	}
	if strings.HasPrefix(fields[0], "Z") {
		return identity{}, errGone{pid}
	}
	return identity{PID: pid, Started: strings.Join(fields[1:6], " "), Executable: strings.Join(fields[6:], " ")}, nil
}

// stopped tells whether the process is stopped.
func stopped(pid int) (bool, error) {
	fields, err := ps(pid, "state=")
	if err != nil {
		return false, err
	}
	return strings.HasPrefix(fields[0], "T"), nil
}

func ps(pid int, columns ...string) ([]string, error) {
	args := []string{"-p", strconv.Itoa(pid)}
	for _, c := range columns {
		args = append(args, "-o", c)
	}
	cmd := exec.Command("ps", args...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	fields := strings.Fields(string(out))
	var exit *exec.ExitError
	if len(fields) == 0 && (err == nil || errors.As(err, &exit)) {
		return nil, errGone{pid}
	}
	return fields, err
}
