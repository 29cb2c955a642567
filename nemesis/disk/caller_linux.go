package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// killLooks is how often a caller that was signalled is looked at: the kernel does not tell of a second signal.
const killLooks = 5 * time.Millisecond

// isKilled tells whether the thread that made the call is being killed. Where that cannot be seen it is not.
func isKilled(ctx context.Context) bool {
	caller, ok := fuse.FromContext(ctx)
	if !ok || caller.Pid == 0 { // 0: of a process that this one's namespace does not show
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", caller.Pid))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return hasPendingKill(string(status))
}

// hasPendingKill reads /proc/PID/status: the kernel makes SIGKILL pending for each thread of a process that is to end.
func hasPendingKill(status string) bool {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		if key != "SigPnd" && key != "ShdPnd" {
			continue
		}
		signals, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err == nil && signals&(1<<(syscall.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}
