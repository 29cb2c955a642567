package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// identify reads the identity of a running process from /proc.
func identify(pid int) (identity, error) {
	stat, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return identity{}, err
	}
	if stat.state == "Z" || stat.state == "X" {
		return identity{}, errGone{pid}
	}
	executable, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil && !errors.Is(err, fs.ErrPermission) { // another user's; its start time tells enough
		return identity{}, notThere(pid, err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return identity{}, err
	}
	return identity{PID: pid, Started: strings.TrimSpace(string(boot)) + " " + stat.started, Executable: executable}, nil
}

// stopped tells whether every thread of the process is stopped.
func stopped(pid int) (bool, error) {
	tasks := fmt.Sprintf("/proc/%d/task", pid)
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return false, notThere(pid, err)
	}
	seen := 0
	for _, e := range entries {
		stat, err := readStat(tasks + "/" + e.Name() + "/stat")
		if errors.As(err, new(errGone)) {
			continue // a thread that ended meanwhile
		}
		seen++
		if err != nil {
			return false, err
		}
		if stat.state != "T" {
			return false, nil
		}
	}
	return seen > 0, nil // none: it ended while its threads were looked at
}

type stat struct {
	state   string // proc(5) field 3: R, S, D, T, Z, ...
	started string // field 22: clock ticks since boot
}

func readStat(path string) (stat, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return stat{}, notThere(pidOf(path), err)
	}
	return parseStat(string(text))
}

// parseStat reads proc(5)'s stat line. Field 2, the name, is in parentheses and may hold anything, parentheses too.
func parseStat(text string) (stat, error) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return stat{}, fmt.Errorf("not a stat line: %q", text)
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("a stat line of %d fields: %q", len(fields)+2, text)
	}
	return stat{state: fields[0], started: fields[19]}, nil
}

func pidOf(path string) int {
	pid, _ := strconv.Atoi(strings.Split(strings.TrimPrefix(path, "/proc/"), "/")[0])
	return pid
}

// notThere tells a process that is gone from other errors. A read of a /proc file that is open already ends with ESRCH.
func notThere(pid int, err error) error {
	if errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "no such process") {
		return errGone{pid}
	}
	return err
}
