package nemesis

import (
	"context"
	"errors"
	"time"
)

// modelClock is a node's clock in memory. It goes by itself: whatever the process does.
type modelClock struct {
	setting   ClockSetting
	since     time.Duration
	monotonic time.Duration
	starts    int // of the process that it was set for
}

func (w *modelWorld) modelClock(node string) *modelClock {
	c := w.clocks[node]
	if starts := w.process[node].Starts; c == nil || c.starts != starts {
		c = &modelClock{starts: starts}
		w.clocks[node] = c
	}
	return c
}

func (c *modelClock) at(now time.Duration) time.Duration {
	return c.monotonic + time.Duration(c.setting.rate()*float64(now-c.since))
}

func (w *modelWorld) SetClock(ctx context.Context, node string, to ClockSetting) error {
	if err := w.call(ctx, "clock %s %+v", node, to); err != nil {
		return err
	}
	if !w.process[node].Running || w.process[node].Paused {
		return errors.New("connection refused")
	}
	c := w.modelClock(node)
	right := to == ClockSetting{}
	switch {
	case w.broken("clock does nothing") && !right, w.broken("clock stays wrong") && right:
		return nil
	case w.broken("clock cannot be set"):
		return errors.New("operation not permitted")
	}
	now := w.clock.now
	c.monotonic, c.since, c.setting = c.at(now), now, to
	return nil
}

func (w *modelWorld) ReadClock(ctx context.Context, node string) (ClockReading, error) {
	if err := w.call(ctx, "read clock %s", node); err != nil {
		return ClockReading{}, err
	}
	if !w.process[node].Running || w.process[node].Paused || w.broken("clock cannot be read") {
		return ClockReading{}, errors.New("connection refused")
	}
	c, now := w.modelClock(node), w.clock.now
	ahead := c.at(now) - c.monotonic - (now - c.since)
	if c.setting.Strobe == 0 || (now-c.since)/c.setting.Strobe%2 == 0 {
		ahead += c.setting.Offset
	}
	wall := time.Unix(0, 0).Add(now)
	return ClockReading{Wall: wall.Add(ahead), Monotonic: c.at(now), TrueWall: wall, TrueMonotonic: now, Method: "model"}, nil
}
