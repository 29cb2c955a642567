//go:build linux

package vdso

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Process is a running process whose clocks can be set. Its methods may be called by many goroutines.
type Process struct {
	pid  int
	mem  *os.File // of the process that it was taken from, whoever has the pid later
	data int64    // address of the payload's data

	mu sync.Mutex
}

// Open patches a process, unless it is so already, and leaves its clocks as they are. The process stands still for a moment. One that was
// stopped stays stopped.
func Open(pid int) (*Process, error) {
	p, i, err := open(pid)
	if err != nil {
		return nil, err
	}
	if err := p.install(i); err != nil {
		p.Close()
		return nil, p.wrap(err)
	}
	return p, nil
}

// Probe tells why a process cannot be patched, and does not touch it.
func Probe(pid int) error {
	p, _, err := open(pid)
	if err == nil {
		p.Close()
	}
	return err
}

func open(pid int) (*Process, image, error) {
	p := &Process{pid: pid}
	var err error
	if p.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0); err != nil {
		return nil, image{}, p.wrap(fmt.Errorf("%w%s", err, remedy(err)))
	}
	i, err := readImage(pid, p.mem)
	if err != nil {
		p.Close()
		return nil, i, p.wrap(err)
	}
	p.data = int64(i.room)
	return p, i, nil
}

func remedy(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return ": it takes the same user as the process's, or SYS_PTRACE"
	}
	return ""
}

func (p *Process) wrap(err error) error { return fmt.Errorf("vdso: process %d: %w", p.pid, err) }

// Close lets go of the process and leaves its clocks as they are set.
func (p *Process) Close() { p.mem.Close() }

// PID is the process's.
func (p *Process) PID() int { return p.pid }

// install writes payload and jumps, where they are not there yet: a child has its parent's.
func (p *Process) install(i image) error {
	boot, err := bootAhead()
	if err != nil {
		return err
	}
	payload, functions := i.payload(boot)
	found := i.at(i.room, uint64(len(payload)))
	switch own := build(); {
	case binary.LittleEndian.Uint64(found[buildAt:]) == own:
	case !bytes.Equal(found, make([]byte, len(payload))):
		return errors.New("the room behind its vDSO is taken: another build of ordeal has patched it; start it anew")
	default:
		if _, err := p.mem.WriteAt(payload, int64(i.room)); err != nil {
			return fmt.Errorf("write the payload: %w", err)
		}
	}
	missing := map[uint64][]byte{}
	for n, call := range i.calls {
		if j := jump(call, functions[n]); !bytes.Equal(i.at(call, jumpSize), j) {
			missing[call] = j
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return whileStopped(p.pid, i.calls, func() error {
		for call, j := range missing {
			if _, err := p.mem.WriteAt(j, int64(call)); err != nil {
				return fmt.Errorf("write a jump: %w", err)
			}
		}
		return nil
	})
}

// bootAhead is what the machine has slept.
func bootAhead() (int64, error) {
	mono, err := machine(unix.CLOCK_MONOTONIC)
	if err != nil {
		return 0, err
	}
	boot, err := machine(unix.CLOCK_BOOTTIME)
	if ahead := boot - mono; ahead > int64(time.Second) {
		return ahead, err
	}
	return 0, err // what lies between the two readings
}

// machineNow is the machine's monotonic and wall time.
func machineNow() (mono, wall int64, err error) {
	if mono, err = machine(unix.CLOCK_MONOTONIC); err != nil {
		return 0, 0, err
	}
	wall, err = machine(unix.CLOCK_REALTIME)
	return mono, wall, err
}

// machine reads a clock of the machine, by system call.
func machine(clock int32) (int64, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("clock_gettime: %w", err)
	}
	return t.Nano(), nil
}

// Set sets how the process's clocks go from now on. Whoever in the process reads one meanwhile waits until it is done.
func (p *Process) Set(to nemesis.ClockSetting) error {
	if err := Check(to); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	generation, r, err := p.current()
	if err != nil {
		return err
	}
	generation |= 1 // it is odd already where somebody died while he set it
	if err := p.putGeneration(generation); err != nil {
		return err
	}
	// No reading that comes to its end now was taken after this.
	mono, wall, err := machineNow()
	if err == nil {
		err = p.write(encode(r.next(to, mono, wall)), recordAt)
	}
	return errors.Join(err, p.putGeneration(generation+1))
}

// current is the generation and the record.
func (p *Process) current() (generation uint64, r record, err error) {
	b, err := p.head()
	if err != nil {
		return 0, r, err
	}
	err = binary.Read(bytes.NewReader(b[recordAt:]), binary.LittleEndian, &r)
	return binary.LittleEndian.Uint64(b[generationAt:]), r, err
}

func (p *Process) putGeneration(n uint64) error {
	return p.write(binary.LittleEndian.AppendUint64(nil, n), generationAt)
}

func (p *Process) write(b []byte, at int64) error {
	if _, err := p.mem.WriteAt(b, p.data+at); err != nil {
		return p.wrap(err)
	}
	return nil
}

// head is all of the data.
func (p *Process) head() ([]byte, error) {
	b := make([]byte, dataSize)
	if _, err := p.mem.ReadAt(b, p.data); errors.Is(err, io.EOF) {
		return nil, p.wrap(errors.New("it has ended, or become another program"))
	} else if err != nil {
		return nil, p.wrap(err)
	}
	if binary.LittleEndian.Uint64(b[buildAt:]) != build() {
		return nil, p.wrap(errors.New("its patch is gone"))
	}
	return b, nil
}

// Read reads the process's clocks: what the payload would answer now.
func (p *Process) Read() (nemesis.ClockReading, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, r, err := p.current()
	if err != nil {
		return nemesis.ClockReading{}, err
	}
	mono, wall, err := machineNow()
	return nemesis.ClockReading{
		Wall: time.Unix(0, r.wall(wall)), TrueWall: time.Unix(0, wall),
		Monotonic: time.Duration(r.monotonic(mono)), TrueMonotonic: time.Duration(mono),
		Method: "vdso",
	}, err
}
