package agent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"golang.org/x/sys/unix"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// procStat is what /proc/PID/stat tells that is of use here.
type procStat struct {
	state  byte // R, S, D, T stopped, t traced, Z zombie, X dead
	parent int
}

// parseStat reads the format of proc(5). The command's name is in parentheses and may hold any byte, parentheses and
// spaces included, so the fields are counted from the last closing one.
func parseStat(b []byte) (procStat, error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("no command name in %q", b)
	}
	fields := strings.Fields(string(b[end+1:]))
	if len(fields) < 2 || len(fields[0]) != 1 {
		return procStat{}, fmt.Errorf("no state behind the command name in %q", b)
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return procStat{}, fmt.Errorf("parent's process id: %w", err)
	}
	return procStat{state: fields[0][0], parent: parent}, nil
}

func readStat(path string) (procStat, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return procStat{}, err
	}
	return parseStat(b)
}

// stopped tells whether every thread of the process is stopped by a signal.
func stopped(pid int) (bool, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false, err
	}
	if len(tasks) == 0 {
		return false, fmt.Errorf("process %d is not there", pid)
	}
	seen := 0
	for _, task := range tasks {
		stat, err := readStat(task)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread ended
		}
		seen++
		if err != nil {
			return false, err
		}
		if stat.state != 'T' {
			return false, nil
		}
	}
	if seen == 0 { // it ended while its threads were looked at
		return false, fmt.Errorf("process %d is not there any more", pid)
	}
	return true, nil
}

// zombies lists the zombie children of process parent.
func zombies(parent int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := readStat(filepath.Join("/proc", e.Name(), "stat"))
		if err == nil && stat.state == 'Z' && stat.parent == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// tcpStateListen is a listening socket's state in /proc/net/tcp.
const tcpStateListen = "0A"

// parseListening reads the format of /proc/net/tcp and tcp6: a header, then a line per socket.
func parseListening(r io.Reader) ([]int, error) {
	var ports []int
	lines := bufio.NewScanner(r)
	for first := true; lines.Scan(); first = false {
		fields := strings.Fields(lines.Text())
		if first || len(fields) < 4 || fields[3] != tcpStateListen {
			continue
		}
		_, hex, ok := strings.Cut(fields[1], ":")
		if !ok {
			return nil, fmt.Errorf("local address %q has no port", fields[1])
		}
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			return nil, fmt.Errorf("local address %q: %w", fields[1], err)
		}
		ports = append(ports, int(port))
	}
	return ports, lines.Err()
}

// listening lists the TCP ports on which something in this network namespace listens.
func listening() ([]int, error) {
	ports := []int{}
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6 here
		}
		if err != nil {
			return nil, err
		}
		found, err := parseListening(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		ports = append(ports, found...)
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}
