package agent

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// adoptsOrphans tells whether the kernel gives this process the orphans of its namespace.
func adoptsOrphans() bool { return os.Getpid() == 1 }

// reapOrphans waits for adopted processes, so that none stays as a zombie, until ctx ends. The supervisor's own child,
// and those of the ones beside it, are left to whoever waits for them.
func (s *supervisor) reapOrphans(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		select {
		case <-ended:
			s.reapNow()
		case <-ctx.Done():
			return
		}
	}
}

func (s *supervisor) reapNow() {
	ours := map[int]bool{}
	for _, own := range append([]*supervisor{s}, s.beside...) {
		own.mu.Lock()
		defer own.mu.Unlock()
		if own.child != nil {
			ours[own.child.pid] = true
		}
	}
	for _, pid := range zombies(os.Getpid()) {
		if !ours[pid] {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}
