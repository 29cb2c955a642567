//go:build linux

package vdso

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	stopTries = 40
	stopLooks = 25000 // a thread stops when it is given the processor, which may take on a busy machine
	stopWait  = 200 * time.Microsecond
)

// whileStopped does something while no thread of the process runs, nor stands within one of the jumps that are to be written.
func whileStopped(pid int, jumps []uint64, do func() error) error {
	if was, err := isStopped(pid); err != nil {
		return err
	} else if was {
		return whileStill(pid, jumps, do)
	}
	var err error
	for range stopTries {
		if err = syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return fmt.Errorf("stop it: %w", err)
		}
		err = whileStill(pid, jumps, do)
		if e := syscall.Kill(pid, syscall.SIGCONT); e != nil {
			return fmt.Errorf("let it go on: %w", e)
		}
		if !errors.Is(err, errMoves) {
			return err
		}
		time.Sleep(stopWait)
	}
	return err
}

// errMoves: a thread stands where it would go on within a jump, and has to go on a little before.
var errMoves = errors.New("it does not come to a stop where it can be patched")

func whileStill(pid int, jumps []uint64, do func() error) error {
	for range stopLooks {
		switch still, err := standsStill(pid, jumps); {
		case err != nil:
			return err
		case still:
			return do()
		}
		time.Sleep(stopWait)
	}
	return errors.New("it does not come to a stop")
}

// isStopped tells whether the process was stopped by a signal already.
func isStopped(pid int) (bool, error) {
	state, err := threadState(fmt.Sprintf("/proc/%d", pid))
	return state == 'T', err
}

// standsStill tells whether no thread can run before it is let go on, and none will go on within a jump.
func standsStill(pid int, jumps []uint64) (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		return false, errors.Join(err, errors.New("it is gone"))
	}
	for _, thread := range threads {
		state, err := threadState(thread)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) || state == 'X' || state == 'Z' {
			continue // it has ended
		}
		if err != nil {
			return false, err
		}
		if state != 'T' && state != 'D' { // D: it waits in the kernel, and stops on its way back
			return false, nil
		}
		at, running, err := instruction(thread)
		if err != nil || running {
			return false, err
		}
		if within(at, jumps) {
			return false, errMoves
		}
	}
	return true, nil
}

// within tells whether an instruction lies behind the begin of a jump and before its end.
func within(at uint64, jumps []uint64) bool {
	for _, j := range jumps {
		if at > j && at < j+jumpSize {
			return true
		}
	}
	return false
}

// threadState is the letter of proc(5).
func threadState(dir string) (byte, error) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return 0, err
	}
	end := bytes.LastIndexByte(stat, ')') // a name may hold anything
	if end < 0 || end+2 >= len(stat) {
		return 0, fmt.Errorf("%s/stat: no state in %q", dir, stat)
	}
	return stat[end+2], nil
}

// instruction is where a thread goes on in its own code.
func instruction(thread string) (at uint64, running bool, err error) {
	text, err := os.ReadFile(filepath.Join(thread, "syscall"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, true, nil // it has ended: look again
	}
	if err != nil {
		return 0, false, fmt.Errorf("where its threads stand: %w%s", err, remedy(err))
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 || fields[0] == "running" {
		return 0, true, nil
	}
	at, err = strconv.ParseUint(fields[len(fields)-1], 0, 64)
	return at, false, err
}
