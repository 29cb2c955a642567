package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/workloads"
)

// What a plan may ask for at most, or at least. A file that asks for more was not drawn: it would take more memory or time than there is.
const (
	MaxNodes      = 25
	maxWorkers    = 10_000
	maxInjections = 100_000
	maxRate       = 1e9
	maxTime       = 1000 * time.Hour // of a run, and of whatever takes time in it
	maxSegment    = 1 << 30
	minSegment    = 512
	minHeartbeat  = 10 * time.Microsecond
	maxChunk      = 1 << 24
)

// Check reports what makes a plan impossible.
func (p *Plan) Check() error {
	switch {
	case p.Nodes < 1 || p.Nodes > MaxNodes:
		return fmt.Errorf("sim: %d nodes: want 1 to %d", p.Nodes, MaxNodes)
	case p.Workers < 1:
		return errors.New("sim: a run needs a client")
	case p.Workers > maxWorkers:
		return fmt.Errorf("sim: %d clients: want at most %d", p.Workers, maxWorkers)
	case p.Duration <= 0 || p.Timeout <= 0:
		return fmt.Errorf("sim: duration %v and timeout %v must be positive", p.Duration, p.Timeout)
	case p.Operations < 0:
		return fmt.Errorf("sim: %d operations: want 0 (as many as there is time for) or more", p.Operations)
	case !(p.Rate >= 0 && p.Rate <= maxRate):
		return fmt.Errorf("sim: rate %v must not be negative, nor above %g", p.Rate, float64(maxRate))
	case len(p.Injections) > maxInjections:
		return fmt.Errorf("sim: %d injections: want at most %d", len(p.Injections), maxInjections)
	}
	if err := checkTimes([]timed{{"duration", p.Duration}, {"timeout", p.Timeout}, {"sync time", p.Disk.SyncTime}, {"slowness of a disk", p.Disk.Slowness},
		{"turn time", p.Disk.TurnTime}}); err != nil {
		return err
	}
	if err := checkOdds([]likely{{"connections that break", p.Client.Breaks}, {"losses of power", p.Disk.PowerLoss}, {"failures of disks", p.Disk.Failure},
		{"slow disks", p.Disk.Slow}}); err != nil {
		return err
	}
	if err := errors.Join(p.Network.check(), p.Node.check(), p.Client.check()); err != nil {
		return err
	}
	if err := p.checkFaults(); err != nil {
		return err
	}
	_, err := workloads.NewGenerator(p.Workload, workloads.Options{Workers: p.Workers})
	return err
}

// checkFaults checks the schedule and the injections.
func (p *Plan) checkFaults() error {
	if p.Schedule != nil {
		var names []string
		for i := range p.Nodes {
			names = append(names, fmt.Sprintf("n%d", i+1))
		}
		if err := p.Schedule.Validate(names); err != nil {
			return err
		}
	}
	seen := map[int]bool{}
	for i := range p.Injections {
		in := &p.Injections[i]
		if err := in.check(p.Nodes); err != nil {
			return fmt.Errorf("sim: injection %d: %w", in.ID, err)
		}
		if seen[in.ID] {
			return fmt.Errorf("sim: there are two injections %d: each needs an id of its own", in.ID)
		}
		seen[in.ID] = true
	}
	return nil
}

func (n *NodePlan) check() error {
	switch {
	case n.Heartbeat < minHeartbeat:
		return fmt.Errorf("sim: heartbeat %v: want at least %v", n.Heartbeat, minHeartbeat)
	case n.ElectionTimeout/2 < n.Heartbeat: // twice the heartbeat may be more than there are nanoseconds
		return fmt.Errorf("sim: election timeout %v must be at least twice the heartbeat %v", n.ElectionTimeout, n.Heartbeat)
	case n.ElectionTimeout > time.Hour:
		return fmt.Errorf("sim: election timeout %v: want at most an hour", n.ElectionTimeout)
	case !(n.ClockDrift >= 0 && n.ClockDrift < 1):
		return fmt.Errorf("sim: clock drift %v: want 0 to below 1", n.ClockDrift)
	case n.SegmentSize != 0 && (n.SegmentSize < minSegment || n.SegmentSize > maxSegment):
		return fmt.Errorf("sim: segment size %d: want %d to %d bytes", n.SegmentSize, minSegment, maxSegment)
	case n.Sessions < 0:
		return fmt.Errorf("sim: %d sessions: want 1 or more, or 0 for the usual", n.Sessions)
	case n.ChunkBytes < 0 || n.ChunkBytes > maxChunk:
		return fmt.Errorf("sim: chunks of %d bytes: want 1 to %d, or 0 for the usual", n.ChunkBytes, maxChunk)
	}
	return nil
}

func (c *ClientPlan) check() error {
	switch {
	case c.Find > client.HealthCheck:
		return fmt.Errorf("sim: clients find the leader in way %d: want 0 to %d", c.Find, client.HealthCheck)
	case c.Reads > wire.Stale:
		return fmt.Errorf("sim: reads of consistency %d: want 0 to %d", c.Reads, wire.Stale)
	}
	return nil
}

func (n *NetworkPlan) check() error {
	return errors.Join(checkTimes([]timed{{"delay", n.Delay}, {"jitter", n.Jitter}, {"slowness of messages", n.Slowness}, {"time per byte", n.PerByte}}),
		checkOdds([]likely{{"lost messages", n.Loss}, {"repeated messages", n.Repeat}, {"messages that overtake", n.Overtake}, {"slow messages", n.Slow}}))
}

type timed struct {
	what string
	time time.Duration
}

func checkTimes(times []timed) error {
	for _, t := range times {
		if t.time < 0 || t.time > maxTime {
			return fmt.Errorf("sim: %s %v: want 0 to %v", t.what, t.time, maxTime)
		}
	}
	return nil
}

type likely struct {
	what string
	odds uint32
}

func checkOdds(all []likely) error {
	for _, l := range all {
		if l.odds > million {
			return fmt.Errorf("sim: likelihood of %s %d: want at most %d, it is in a million", l.what, l.odds, million)
		}
	}
	return nil
}

// maxClockRate is how many times as fast as true time a node's clock can go.
const maxClockRate = 1000

// paceless reports whether the workers do not wait between operations: the interval of the rate is none.
func (p *Plan) paceless() bool {
	return p.Rate == 0 || float64(p.Workers)/p.Rate*float64(time.Second) < 1 || math.IsInf(p.Rate, 0)
}
