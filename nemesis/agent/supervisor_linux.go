package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// The process is not in the state that an order needs.
var (
	errRunning    = errors.New("the process runs already: kill it before starting it again")
	errNotRunning = errors.New("the process does not run: start it first")
	errNoCommand  = errors.New("the agent was started without a command: give one after --")
)

// supervisor has at most one child at a time.
type supervisor struct {
	argv   []string
	env    []string
	files  map[string]string         // written before each start where they are missing
	beside []*supervisor             // of programs beside this one, which are their own; reaped by whoever started them
	output io.Writer                 // what the child prints
	ended  func(pid int, how string) // told of every end of a child, after its last output; may be nil

	acting sync.Mutex // one who stops the child and lets it go on at a time

	mu     sync.Mutex // also held over fork, so that reapOrphans knows every child of ours
	child  *child
	starts int
}

// child is one process, from its start on.
type child struct {
	pid     int
	reaped  chan struct{} // closed when the process is gone and the zombie with it
	drained chan struct{} // closed when all it printed is in the log
	ended   string        // how it ended; to be read after reaped
}

func (c *child) gone() bool {
	select {
	case <-c.reaped:
		return true
	default:
		return false
	}
}

// start starts the child and returns once it has been executed.
func (s *supervisor) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.argv) == 0 {
		return errNoCommand
	}
	if s.child != nil && !s.child.gone() {
		return errRunning
	}
	for path, text := range s.files {
		if err := WriteOnce(path, text); err != nil {
			return err
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, write, write
	// Its own process group, so that a signal reaches its descendants too and a Ctrl-C at the terminal only the agent.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c := &child{reaped: make(chan struct{}), drained: make(chan struct{})}
	started := make(chan error)
	go c.run(cmd, started)
	err = <-started
	write.Close()
	if err != nil {
		read.Close()
		return fmt.Errorf("start %s: %w", strings.Join(s.argv, " "), err)
	}
	go func() {
		defer close(c.drained)
		defer read.Close()
		_, _ = io.Copy(s.output, read)
	}()
	if s.ended != nil {
		go func() {
			<-c.reaped
			c.waitDrained(drainLimit)
			s.ended(c.pid, c.ended)
		}()
	}
	s.child = c
	s.starts++
	return nil
}

// run starts the process and waits for it. It keeps to one thread for as long, because the kernel sends the
// parent-death signal when the thread that forked ends.
func (c *child) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	c.pid = cmd.Process.Pid
	started <- nil
	_ = cmd.Wait()
	c.ended = cmd.ProcessState.String()
	close(c.reaped)
}

// current gives the child if it runs.
func (s *supervisor) current() (*child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil || s.child.gone() {
		return nil, errNotRunning
	}
	return s.child, nil
}

// signal sends to the child's process group.
func (c *child) signal(sig syscall.Signal) error {
	err := syscall.Kill(-c.pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return errNotRunning
	}
	return err
}

// kill sends SIGKILL and returns once the process has been reaped. What it printed is in the log then.
func (s *supervisor) kill(ctx context.Context) error {
	c, err := s.current()
	if err != nil {
		return err
	}
	if err := c.signal(syscall.SIGKILL); err != nil {
		return err
	}
	select {
	case <-c.reaped:
	case <-ctx.Done():
		return fmt.Errorf("process %d was sent SIGKILL and is still there: %w", c.pid, ctx.Err())
	}
	c.waitDrained(drainLimit)
	return nil
}

// drainLimit is how long the rest of the output is waited for.
const drainLimit = time.Second

// waitDrained waits for the rest of the output, but not for a descendant that left the group and keeps the pipe open.
func (c *child) waitDrained(limit time.Duration) {
	select {
	case <-c.drained:
	case <-time.After(limit):
	}
}

// pause stops every thread of the child; it returns once the kernel shows all of them as stopped.
func (s *supervisor) pause(ctx context.Context) error {
	return s.setStopped(ctx, syscall.SIGSTOP, true)
}

// resume lets the child go on.
func (s *supervisor) resume(ctx context.Context) error {
	return s.setStopped(ctx, syscall.SIGCONT, false)
}

func (s *supervisor) setStopped(ctx context.Context, sig syscall.Signal, want bool) error {
	s.acting.Lock()
	defer s.acting.Unlock()
	c, err := s.current()
	if err != nil {
		return err
	}
	if err := c.signal(sig); err != nil {
		return err
	}
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
		if c.gone() {
			return errNotRunning
		}
		if got, err := stopped(c.pid); err == nil && got == want {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("process %d was sent %v and the kernel does not show it: %w", c.pid, sig, ctx.Err())
		}
	}
}

// whileThere does something with the running child while nobody else stops it or lets it go on.
func (s *supervisor) whileThere(do func(pid int) error) error {
	s.acting.Lock()
	defer s.acting.Unlock()
	c, err := s.current()
	if err != nil {
		return err
	}
	return do(c.pid)
}

// state tells the child's state now.
func (s *supervisor) state() nemesis.ProcessState {
	s.mu.Lock()
	c, state := s.child, nemesis.ProcessState{Starts: s.starts}
	s.mu.Unlock()
	if c == nil {
		return state
	}
	state.PID = c.pid
	if c.gone() {
		state.Ended = c.ended
		return state
	}
	state.Running = true
	paused, err := stopped(c.pid)
	state.Paused = err == nil && paused
	return state
}

// shutDown ends the child gracefully: SIGTERM, the grace period, then SIGKILL.
func (s *supervisor) shutDown(sig syscall.Signal, grace time.Duration) {
	c, err := s.current()
	if err != nil {
		return
	}
	_ = c.signal(sig)
	_ = c.signal(syscall.SIGCONT) // a stopped process would not hear it
	select {
	case <-c.reaped:
	case <-time.After(grace):
		_ = c.signal(syscall.SIGKILL)
		<-c.reaped
	}
	c.waitDrained(drainLimit)
}
