package nemesis

import (
	"context"
	"errors"
	"time"
)

// Abilities are what a cluster may be able to do beside World. nil: it is not.
type Abilities struct {
	Members    Members
	Pauser     Pauser
	Containers Containers
	Data       DataCutter
	Clients    ClientCutter
	Packets    Packets
	Clocks     Clocks // of the nodes' own
	Patched    Clocks // of the processes that they are, whatever these are
	Disks      Disks
	Logs       Logs
}

// AbilitiesOf finds what the cluster itself implements.
func AbilitiesOf(cluster any) Abilities {
	var a Abilities
	a.Members, _ = cluster.(Members)
	a.Pauser, _ = cluster.(Pauser)
	a.Containers, _ = cluster.(Containers)
	a.Data, _ = cluster.(DataCutter)
	a.Clients, _ = cluster.(ClientCutter)
	a.Packets, _ = cluster.(Packets)
	a.Clocks, _ = cluster.(Clocks)
	if p, ok := cluster.(Patchable); ok {
		a.Patched = p.PatchedClocks()
	}
	a.Disks, _ = cluster.(Disks)
	a.Logs, _ = cluster.(Logs)
	return a
}

// ability is what a kind, or a mode of it, needs of a cluster beside World.
type ability int

const (
	nothingMore ability = iota
	toChangeMembers
	toPause
	toKillContainers
	toCutData
	toCutClients
	toShapePackets
	toSetClocks
	toHurtDisks
)

// lacking tells what is missing where the cluster has not the ability.
func (a ability) lacking(have Abilities) error {
	switch {
	case a == toChangeMembers && have.Members == nil:
		return errors.New("a cluster whose members can be changed, and nobody knows how to with this one")
	case a == toPause && have.Pauser == nil:
		return errors.New("a cluster whose processes can be stopped and continued, and those of this one cannot")
	case a == toKillContainers && have.Containers == nil:
		return errors.New("a cluster of containers")
	case a == toCutData && have.Data == nil:
		return errors.New("a cluster that can cut what carries data and nothing else, and this one cannot")
	case a == toCutClients && have.Clients == nil:
		return errors.New("a cluster that can keep clients from a node, and this one cannot")
	case a == toShapePackets && have.Packets == nil:
		return errors.New("a cluster whose packets can be shaped, and those of this one cannot")
	case a == toSetClocks && have.Clocks == nil && have.Patched == nil:
		return errors.New("a cluster whose clocks can be set, and those of this one cannot")
	case a == toHurtDisks && have.Disks == nil:
		return errors.New("a cluster whose disks can be hurt, and those of this one cannot")
	}
	return nil
}

// Limited is a cluster that, once it is set up, can tell which faults the machine it runs on does not let it inject.
type Limited interface {
	// Lacks tells why a mode of a fault cannot be injected here, naming what is missing and the remedy; nil: it can.
	Lacks(ctx context.Context, fault, mode string) error
}

// Pauser is the part of a cluster that pauses need. ProcessState.Paused is their evidence.
type Pauser interface {
	// Pause stops the node's process where it is, as SIGSTOP does, and returns once it stands still; pausing one that is paused
	// changes nothing. Resume lets it go on.
	Pause(ctx context.Context, node string) error
	Resume(ctx context.Context, node string) error
}

// Containers is the part of a cluster whose nodes live in containers that can be killed as a whole: the node's process with whatever
// else is in there, and what the kernel keeps for them.
type Containers interface {
	// KillContainer returns once nothing of the container runs. World.Process then tells of a process that does not run.
	KillContainer(ctx context.Context, node string) error
	// StartContainer starts it again, and with it the node's process. What is cut, shaped or otherwise due to the node is in force again
	// before it returns. The addresses that clients know stay good.
	StartContainer(ctx context.Context, node string) error
}

// DataCutter is the part of a cluster that cuts one direction of links and leaves the other one working.
type DataCutter interface {
	// CutData makes exactly the given links pass neither data nor new connections, in place of what it cut before; none heals all.
	// What else there is, acknowledgements of what the other side sends, passes. It has nothing to do with what Cut cuts.
	CutData(ctx context.Context, links []Link) error
}

// ClientCutter is the part of a cluster that keeps clients from nodes, which reach each other as before.
type ClientCutter interface {
	// CutClients keeps clients from exactly the given nodes, in place of those before; none heals all.
	CutClients(ctx context.Context, nodes []string) error
	// ProbeClients tries to reach each node as a client does. One result a node, in the order given, with a Link to the node from Clients.
	ProbeClients(ctx context.Context, nodes []string) ([]Probe, error)
}

// Clients stands for the clients in links.
const Clients = "clients"

// Shape is what happens to what is sent on a link. The zero value does nothing.
type Shape struct {
	Delay     time.Duration `json:"delay_ns,omitempty"`
	Jitter    time.Duration `json:"jitter_ns,omitempty"` // each delay is drawn uniformly from Delay±Jitter, and packets keep no order
	Loss      float64       `json:"loss,omitempty"`      // the share of packets that is lost, 0 to 1
	Duplicate float64       `json:"duplicate,omitempty"` // the share that comes twice
	Reorder   float64       `json:"reorder,omitempty"`   // the share that overtakes those before it
	Rate      int64         `json:"rate,omitempty"`      // bytes a second; 0: unlimited
}

// ShapedLink is a link with its shape.
type ShapedLink struct {
	Link
	Shape Shape `json:"shape"`
}

// Shaped is what a mechanism has done to a link since it was shaped, as the mechanism itself counts.
type Shaped struct {
	Link    Link   `json:"link"`
	Shape   Shape  `json:"shape"`  // as the mechanism has it; zero: the link is not shaped
	Passed  uint64 `json:"passed"` // units that went through it, delayed or not
	Delayed uint64 `json:"delayed,omitempty"`
	// Held is for how long on average, of those that were delayed.
	Held       time.Duration `json:"held_ns,omitempty"`
	Lost       uint64        `json:"lost,omitempty"`
	Duplicated uint64        `json:"duplicated,omitempty"`
	Reordered  uint64        `json:"reordered,omitempty"`
	Limited    uint64        `json:"limited,omitempty"` // units that had to wait for the rate
	Unit       string        `json:"unit,omitempty"`    // "packets", "messages" or "chunks"
	Method     string        `json:"method"`            // "netem", "nfqueue", "userspace link", "simulated"
	Error      string        `json:"error,omitempty"`   // why the link could not be asked; the counts then say nothing
}

// Packets is the part of a cluster that shapes what passes between nodes.
type Packets interface {
	// ShapeLinks shapes exactly the given links, in place of whatever was shaped before; none lifts all. It returns once that is in force.
	// It has nothing to do with what Cut cuts: a link may be both.
	ShapeLinks(ctx context.Context, links []ShapedLink) error
	// Shaped reads back what the mechanism has and has counted. One result a link, in the order given.
	Shaped(ctx context.Context, links []Link) ([]Shaped, error)
}

// ClockSetting is how a node's clocks go. The zero value is as the machine's, but for monotonic time, which never goes
// back: after a change of rate it goes on from where it was.
type ClockSetting struct {
	// Offset is what the wall clock is ahead of the machine's; negative: behind.
	Offset time.Duration `json:"offset_ns,omitempty"`
	// Rate is the seconds that wall clock, monotonic clock and timers count in a second, from now on; 0 stands for 1.
	Rate float64 `json:"rate,omitempty"`
	// Strobe, where it is not 0, has the wall clock jump between Offset and none every so often.
	Strobe time.Duration `json:"strobe_ns,omitempty"`
}

// ClockReading is a node's clocks as the node itself reads them, and the machine's at the same moment.
type ClockReading struct {
	Wall          time.Time     `json:"wall"`
	Monotonic     time.Duration `json:"monotonic_ns"` // since a moment that stays the same as long as the process runs
	TrueWall      time.Time     `json:"true_wall"`
	TrueMonotonic time.Duration `json:"true_monotonic_ns"` // likewise, since another one
	// Within bounds how far apart the two were read.
	Within time.Duration `json:"within_ns"`
	Method string        `json:"method"` // "the node's own clock", "vdso", "simulated"
}

// Skew is what the wall clock is ahead.
func (r ClockReading) Skew() time.Duration { return r.Wall.Sub(r.TrueWall) }

// Patchable is a cluster that can set the clocks of its nodes' processes, though these know nothing of it, by a patch of their vDSO. What
// it gives may tell, by a method Lacks(context.Context) error, why that cannot be done here.
type Patchable interface {
	PatchedClocks() Clocks
}

// Clocks is the part of a cluster that sets the nodes' clocks. A process that is started anew has a clock that is right.
type Clocks interface {
	// SetClock sets how the node's clocks go from now on, in place of what was set before, and returns once they do.
	SetClock(ctx context.Context, node string, setting ClockSetting) error
	// ReadClock reads the node's clocks.
	ReadClock(ctx context.Context, node string) (ClockReading, error)
}
