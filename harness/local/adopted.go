package local

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// grace is how long a program that runs nodes has to end them and itself after its harness is gone.
const grace = 5 * time.Second

// Adopt puts on record a program that runs the nodes of this process's run and leads a process group of its own: Cleanup ends the group where this
// process can no more. Forget takes the record away.
func Adopt(name string, pid int) (forget func() error, err error) {
	state, err := StateDir()
	if err != nil {
		return nil, err
	}
	if state, err = filepath.Abs(state); err != nil {
		return nil, err
	}
	id, err := identify(pid)
	if errors.As(err, new(errGone)) {
		return func() error { return nil }, nil // it has ended already
	}
	if err != nil {
		return nil, err
	}
	id.Executable = "" // a script may turn into another program
	r, err := newRecord("program-"+strings.ToLower(rand.Text()[:10]), state, false)
	if err != nil {
		return nil, err
	}
	r.Adopted = true
	return r.remove, r.setProcess("the program "+name, id)
}

// endAdopted ends a program and its process group if it is the one that id was taken from and does not end by itself.
func endAdopted(ctx context.Context, id identity) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if id.gone(bounded) == nil {
		return false, ctx.Err()
	}
	if err := syscall.Kill(-id.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return false, err
	}
	return true, id.gone(ctx)
}
