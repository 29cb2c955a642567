package history

import (
	"fmt"
	"time"
)

// Check holds the events of a history, fed in order, to the rules every history keeps: indices count from 0, time never
// goes back, a process has at most one open operation, a completion follows its invocation and names the same operation
// and key, and a process is not used again after an Info completion. The zero Check is ready. Events of the nemesis
// only take part in the rules of index and time.
type Check struct {
	next      int
	last      time.Duration
	processes map[int]process
}

// process is where a client process stands.
type process struct {
	open   bool
	gone   bool // completed with Info
	f, key string
	index  int // of the invocation, or of the Info
}

// Add takes the next event.
func (c *Check) Add(e *Event) error {
	if e.Index != c.next {
		return fmt.Errorf("event %d where event %d is due: lines are missing, repeated or out of order; restore the file from a copy", e.Index, c.next)
	}
	c.next++
	if e.Time < c.last {
		return fmt.Errorf("time goes back from %d to %d ns; the recorder must take times from one monotonic clock", c.last, e.Time)
	}
	c.last = e.Time
	if e.Process == NemesisProcess {
		return nil
	}
	if c.processes == nil {
		c.processes = make(map[int]process)
	}
	p, err := c.processes[e.Process].step(e)
	if err != nil {
		return fmt.Errorf("process %d %w", e.Process, err)
	}
	c.processes[e.Process] = p
	return nil
}

func (p process) step(e *Event) (process, error) {
	switch {
	case p.gone:
		return p, fmt.Errorf("is used again after its operation of event %d was left open by an info; the recorder must give the client a new process number", p.index)
	case e.Type == Invoke && p.open:
		return p, fmt.Errorf("invokes %s while its %s of event %d is open; the recorder must give each process one operation at a time", e.F, p.f, p.index)
	case e.Type == Invoke:
		return process{open: true, f: e.F, key: e.Key, index: e.Index}, nil
	case !p.open:
		return p, fmt.Errorf("completes %s without an invocation; lines are missing: restore the file from a copy", e.F)
	case e.F != p.f || e.Key != p.key:
		return p, fmt.Errorf("completes %s of key %q, but its open operation is %s of key %q, event %d; the recorder must complete what the process invoked", e.F, e.Key, p.f, p.key, p.index)
	case e.Type == Info:
		return process{gone: true, index: e.Index}, nil
	}
	return process{}, nil
}
