package vdso

import (
	"sync"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Follower sets the clocks of a program whose process is another one after each start. The zero value is ready for use, by many goroutines.
type Follower struct {
	mu      sync.Mutex
	process *Process
}

// Set sets how the clocks of the process go that the program is now.
func (f *Follower) Set(pid int, to nemesis.ClockSetting) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.now(pid)
	if err != nil {
		return err
	}
	return p.Set(to)
}

// Read reads them.
func (f *Follower) Read(pid int) (nemesis.ClockReading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.now(pid)
	if err != nil {
		return nemesis.ClockReading{}, err
	}
	return p.Read()
}

// now is the process, patched. One that cannot be read is another's, though it has the same pid.
func (f *Follower) now(pid int) (*Process, error) {
	if f.process != nil && f.process.PID() == pid {
		if _, err := f.process.Read(); err == nil {
			return f.process, nil
		}
	}
	f.close()
	p, err := Open(pid)
	f.process = p
	return p, err
}

// Close lets go of the process.
func (f *Follower) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.close()
}

func (f *Follower) close() {
	if f.process != nil {
		f.process.Close()
		f.process = nil
	}
}
