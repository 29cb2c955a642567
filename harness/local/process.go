package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/vdso"
)

// poll is how often a state that only the kernel knows is looked at.
const poll = 2 * time.Millisecond

// process is a node's process over all its restarts.
type process struct {
	node   string
	record *record
	log    *os.File
	begin  starter

	clock  vdso.Follower
	acting sync.Mutex // one start, kill, pause or resume at a time

	mu      sync.Mutex
	cmd     *program      // the last one
	gone    chan struct{} // closed when it has been waited for
	running bool
	starts  int
	ended   string
}

// start starts the command as the node's next process; env is added to the environment.
func (p *process) start(binary string, args, env []string) error {
	p.acting.Lock()
	defer p.acting.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		return fmt.Errorf("%s runs already, as pid %d", p.node, p.cmd.Process.Pid)
	}
	p.note("process %d starts: %s %s", p.starts+1, binary, strings.Join(args, " "))
	cmd, err := p.begin(command{binary, args, append(os.Environ(), env...)}, p.log)
	if err != nil {
		p.note("process %d could not be started: %v", p.starts+1, err)
		return fmt.Errorf("start %s: %w", p.node, err)
	}
	p.starts++
	p.cmd, p.gone, p.running, p.ended = cmd, make(chan struct{}), true, ""
	p.note("process %d runs, pid %d", p.starts, cmd.Process.Pid)
	err = p.remember(cmd.Process.Pid)
	go p.wait(cmd, p.gone)
	return err
}

// remember notes in the run's record which process this is. One that has ended already needs no remembering.
func (p *process) remember(pid int) error {
	id, err := identify(pid)
	if errors.As(err, new(errGone)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", p.node, err)
	}
	return p.record.setProcess(p.node, id)
}

func (p *process) wait(cmd *program, gone chan struct{}) {
	ended := cmd.wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running, p.ended = false, ended
	p.note("process %d ended, pid %d: %s", p.starts, cmd.Process.Pid, p.ended)
	close(gone)
}

// note writes a line of the harness into the node's log.
func (p *process) note(format string, args ...any) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	_, _ = fmt.Fprintf(p.log, "=== ordeal %s %s: %s\n", now, p.node, fmt.Sprintf(format, args...))
}

// kill ends the node's process with SIGKILL and returns once it has been waited for.
func (p *process) kill(ctx context.Context) error {
	p.acting.Lock()
	defer p.acting.Unlock()
	cmd, gone, err := p.current()
	if err != nil {
		return fmt.Errorf("kill %w", err)
	}
	if err := cmd.Process.Kill(); err == nil {
		// Whatever the node has started is in its group, and goes too.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	} else if !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.node, err)
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kill %s: pid %d does not go away: %w", p.node, cmd.Process.Pid, ctx.Err())
	}
}

// signal sends SIGSTOP or SIGCONT and returns once the kernel shows the process as stopped or not.
func (p *process) signal(ctx context.Context, s syscall.Signal, stop bool) error {
	p.acting.Lock()
	defer p.acting.Unlock()
	cmd, gone, err := p.current()
	if err != nil {
		return fmt.Errorf("%v %w", s, err)
	}
	if err := cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("%v %s: %w", s, p.node, err)
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		is, err := stopped(cmd.Process.Pid)
		if err != nil {
			return fmt.Errorf("%v %s: %w", s, p.node, err)
		}
		if is == stop {
			return nil
		}
		select {
		case <-tick.C:
		case <-gone:
			return fmt.Errorf("%v %s: it ended", s, p.node)
		case <-ctx.Done():
			return fmt.Errorf("%v %s: the signal shows no effect: %w", s, p.node, ctx.Err())
		}
	}
}

// current is the running process, or an error that begins with the node's name.
func (p *process) current() (*program, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running {
		ended := p.ended
		if ended == "" {
			ended = "never started"
		}
		return nil, nil, fmt.Errorf("%s: it does not run (%s)", p.node, ended)
	}
	return p.cmd, p.gone, nil
}

func (p *process) state() nemesis.ProcessState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := nemesis.ProcessState{Running: p.running, Starts: p.starts, Ended: p.ended}
	if p.cmd != nil {
		s.PID = p.cmd.Process.Pid
	}
	if p.running {
		is, err := stopped(s.PID)
		s.Paused = err == nil && is
	}
	return s
}
