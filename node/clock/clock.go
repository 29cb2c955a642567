// Package clock is the time that a node lives by. It counts as the machine's monotonic clock does, unless it is set otherwise: a test
// may have it run fast or slow, and its wall clock be off or jump. So the promises that a node makes about time, such as leases, can be
// put to the test without touching the machine's clock, which other processes and containers share.
//
// Monotonic time and timers follow the rate and never go back; the wall clock follows the rate and the offsets. Timeouts of the
// kernel, such as those of sockets, go on in the machine's time.
package clock

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// Setting is how a clock goes from the moment on at which it is set. The zero value is as the machine's.
type Setting struct {
	// Offset is what the wall clock is ahead of the machine's; negative: behind.
	Offset time.Duration `json:"offset_ns,omitempty"`
	// Rate is the seconds that the clocks count in a second; 0 stands for 1.
	Rate float64 `json:"rate,omitempty"`
	// Strobe, where it is not 0, has the wall clock jump between Offset and none every so often.
	Strobe time.Duration `json:"strobe_ns,omitempty"`
}

// Limits of a setting.
const (
	slowest, fastest = 1e-3, 1e3
	farthest         = 100 * 365 * 24 * time.Hour
	leastStrobe      = time.Millisecond
)

// Check tells what is wrong with a setting.
func (s Setting) Check() error {
	switch {
	case s.Rate != 0 && !(s.Rate >= slowest && s.Rate <= fastest):
		return fmt.Errorf("the rate is %v: want %v to %v, or 0 for the machine's", s.Rate, slowest, fastest)
	case s.Offset > farthest || s.Offset < -farthest:
		return fmt.Errorf("the offset is %v: want at most %v either way", s.Offset, farthest)
	case s.Strobe != 0 && s.Strobe < leastStrobe || s.Strobe > farthest:
		return fmt.Errorf("the strobe is %v: want %v or more, or 0 for none", s.Strobe, leastStrobe)
	}
	return nil
}

// Reading is a clock and the machine's, read at one moment.
type Reading struct {
	Wall          time.Time     `json:"wall"`
	Monotonic     time.Duration `json:"monotonic_ns"` // since the clock was made
	TrueWall      time.Time     `json:"true_wall"`
	TrueMonotonic time.Duration `json:"true_monotonic_ns"` // likewise
}

// Clock is a clock that can be set. It is safe for use by many goroutines.
type Clock struct {
	made    time.Time
	mu      sync.RWMutex // a reading falls before or after a setting: the old rate, counted beyond it, could be ahead of the new
	state   *state
	changed chan struct{}
}

// state is how a clock goes since it was set.
type state struct {
	Setting
	since     time.Duration // true monotonic time at which it was set
	monotonic time.Duration // of the clock then
}

// New is a clock that counts from now on.
func New() *Clock {
	return &Clock{made: time.Now(), state: &state{}, changed: make(chan struct{}, 1)}
}

// look is the machine's monotonic time since the clock was made, and how the clock goes then.
func (c *Clock) look() (time.Duration, *state) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return time.Since(c.made), c.state
}

// Now is the clock's monotonic time since it was made. It never goes back.
func (c *Clock) Now() time.Duration {
	machine, s := c.look()
	return s.at(machine)
}

// Read reads all clocks.
func (c *Clock) Read() Reading {
	c.mu.RLock()
	now, s := time.Now(), c.state
	c.mu.RUnlock()
	machine := now.Sub(c.made)
	return Reading{
		Wall: now.Round(0).Add(s.ahead(machine)), Monotonic: s.at(machine), TrueWall: now.Round(0), TrueMonotonic: machine,
	}
}

// Set sets how the clock goes from now on.
func (c *Clock) Set(to Setting) error {
	if err := to.Check(); err != nil {
		return err
	}
	c.mu.Lock()
	now := time.Since(c.made)
	c.state = &state{Setting: to, since: now, monotonic: c.state.at(now)}
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
	return nil
}

// Setting is how the clock goes.
func (c *Clock) Setting() Setting {
	_, s := c.look()
	return s.Setting
}

// Changed holds a token after the clock was set: whoever has a timer by Until sets it again.
func (c *Clock) Changed() <-chan struct{} { return c.changed }

// Until is the machine's time until the clock's monotonic time is at, for a timer; 0 where that is past.
func (c *Clock) Until(at time.Duration) time.Duration {
	machine, s := c.look()
	left := float64(at-s.at(machine)) / s.rate()
	if left >= math.MaxInt64 {
		return math.MaxInt64
	}
	return max(0, time.Duration(math.Ceil(left)))
}

func (s *state) rate() float64 {
	if s.Rate == 0 {
		return 1
	}
	return s.Rate
}

// at is the monotonic time at a true one.
func (s *state) at(now time.Duration) time.Duration {
	if s.Rate == 0 || s.Rate == 1 { // exact, and the usual
		return s.monotonic + (now - s.since)
	}
	return s.monotonic + time.Duration(float64(now-s.since)*s.Rate)
}

// ahead is what the wall clock is ahead of the machine's.
func (s *state) ahead(now time.Duration) time.Duration {
	passed := now - s.since
	drift := time.Duration(float64(passed) * (s.rate() - 1))
	if s.Strobe != 0 && passed/s.Strobe%2 == 1 {
		return drift
	}
	return drift + s.Offset
}
