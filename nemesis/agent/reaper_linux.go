package agent

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// adoptsOrphans tells whether the kernel gives this process the orphans of its namespace.
func adoptsOrphans() bool { return os.Getpid() == 1 }

// reapOrphans waits for adopted processes, so that none stays as a zombie, until ctx ends. The supervisor's own child
// is left to the one who waits for it.
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pid := range zombies(os.Getpid()) {
		if s.child != nil && s.child.pid == pid {
			continue
		}
		_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	}
}
