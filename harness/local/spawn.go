package local

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner starts processes from one thread that lives as long as the harness. The kernel sends the parent-death
// signal when the thread that forked ends, not the process; Go ends and makes threads as it likes.
var spawner = sync.OnceValue(func() chan<- spawn {
	requests := make(chan spawn)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread stays
		for s := range requests {
			s.done <- s.cmd.Start()
		}
	}()
	return requests
})

type spawn struct {
	cmd  *exec.Cmd
	done chan error
}

// start starts the command and returns once it runs.
func start(cmd *exec.Cmd) error {
	s := spawn{cmd: cmd, done: make(chan error, 1)}
	spawner() <- s
	return <-s.done
}
