package sim

import "time"

// million is a clock's rate that is right: it counts so many millionths of a second in a microsecond of simulated time.
const million = 1_000_000

// nodeClock is a node's monotonic clock: it goes on from base since a moment of simulated time, at a rate in millionths. All is
// in whole numbers, since floating point may differ between machines.
type nodeClock struct {
	since time.Duration
	base  time.Duration
	rate  int64
}

// at is what the clock shows at a moment not before since.
func (c *nodeClock) at(now time.Duration) time.Duration {
	return c.base + scale(now-c.since, c.rate, million)
}

// when is the moment, from now on, at which the clock shows t or more.
func (c *nodeClock) when(t, now time.Duration) time.Duration {
	if t <= c.at(now) {
		return now
	}
	at := c.since + scale(t-c.base, million, c.rate)
	for c.at(at) < t {
		at++
	}
	return at
}

// set changes the rate and jumps ahead, from now on. Monotonic clocks do not go back.
func (c *nodeClock) set(now time.Duration, rate int64, ahead time.Duration) {
	c.base, c.since, c.rate = c.at(now)+max(ahead, 0), now, rate
}

// scale is d times a/b without overflow for runs of some hours.
func scale(d time.Duration, a, b int64) time.Duration {
	if a == b {
		return d
	}
	whole, rest := int64(d)/b, int64(d)%b
	return time.Duration(whole*a + rest*a/b)
}

// wallClock is a node's wall clock, which nobody but who looks at it reads: the nodes use monotonic time alone. The zero value is right.
type wallClock struct {
	set    bool // by the nemesis; a process that is started anew has a clock that is right
	since  time.Duration
	rate   int64
	offset time.Duration
	strobe time.Duration // how long it has the offset, and then has not; 0: always
}

// at is what the clock shows, since the epoch.
func (c *wallClock) at(now time.Duration) time.Duration {
	if !c.set {
		return now
	}
	t := c.since + scale(now-c.since, c.rate, million)
	if c.strobe > 0 && (now-c.since)/c.strobe%2 == 1 {
		return t
	}
	return t + c.offset
}
