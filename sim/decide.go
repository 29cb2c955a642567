package sim

import "fmt"

// Choice is the identity of a decision: what is decided, for whom, and the how-manieth time. It does not depend on what
// happened elsewhere, so that taking one decision away leaves all others what they were.
type Choice struct {
	Kind     ChoiceKind
	From, To int32 // nodes or workers by number; 0 where none is meant
	Seq      uint64
}

func (c Choice) String() string { return fmt.Sprintf("%v %d->%d #%d", c.Kind, c.From, c.To, c.Seq) }

// ChoiceKind says what is decided.
type ChoiceKind uint8

// What is decided. Those up to LastFault are faults: their outcome 0 is that nothing is amiss.
const (
	// LoseMessage: a message between nodes does not arrive. Seq is its number on the link, as of the next three.
	LoseMessage ChoiceKind = iota + 1
	// DelayMessage: it takes longer, by the outcome in thousandths of Plan.Network.Slowness.
	DelayMessage
	// RepeatMessage: it arrives twice, the second time later, likewise.
	RepeatMessage
	// OvertakeMessage: it does not wait for those before it.
	OvertakeMessage
	// LosePower: the node's power is lost amid its Seq-th work of the disk, after outcome-1 operations.
	LosePower
	// FailSync: the disk fails amid its Seq-th work, at operation outcome-1, and the node ends by itself.
	FailSync
	// SlowSync: the disk takes longer, by the outcome in thousandths of Plan.Disk.Slowness.
	SlowSync
	// BreakConnection: a client's Seq-th request to a node breaks its connection: outcome 1 before the node has it, 2 after, 3 while
	// it is on its way: it arrives all the same, when the client may have asked elsewhere.
	BreakConnection
	// Inject: the Seq-th injection of the plan takes place (outcome 1).
	Inject
	// SkipOperation: a worker (From) leaves out its Seq-th operation.
	SkipOperation
	// LastFault is no decision.
	LastFault

	// Jitter: how long a message is under way, SyncTime how long the disk works, TurnTime how long until the node's thread turns.
	Jitter
	SyncTime
	TurnTime
	// Tearing: what of the unsynced writes a loss of power leaves (a seed).
	Tearing
	// NodeRandom: the source of a process's election timeouts (a seed).
	NodeRandom
	// Target: who it is that an injection aims at, where only the run can tell.
	Target
	// Survivors: which majority lives on in the liveness phase.
	Survivors
)

var choiceNames = [...]string{LoseMessage: "lose-message", DelayMessage: "delay-message", RepeatMessage: "repeat-message", OvertakeMessage: "overtake-message",
	LosePower: "lose-power", FailSync: "fail-sync", SlowSync: "slow-sync", BreakConnection: "break-connection", Inject: "inject", SkipOperation: "skip-operation",
	LastFault: "", Jitter: "jitter", SyncTime: "sync-time", TurnTime: "turn-time", Tearing: "tearing", NodeRandom: "node-random", Target: "target", Survivors: "survivors"}

func (k ChoiceKind) String() string {
	if int(k) < len(choiceNames) && choiceNames[k] != "" {
		return choiceNames[k]
	}
	return fmt.Sprintf("choice-%d", uint8(k))
}

// MarshalText implements encoding.TextMarshaler.
func (k ChoiceKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *ChoiceKind) UnmarshalText(text []byte) error {
	for i, name := range choiceNames {
		if name != "" && name == string(text) {
			*k = ChoiceKind(i)
			return nil
		}
	}
	return fmt.Errorf("there is no decision %q", text)
}

// Decider makes all random decisions of a run. The same calls give the same answers.
type Decider interface {
	// Fault decides whether something goes wrong: 0 is no, else how (1 to outcomes). It is asked with how likely, in a million.
	Fault(c Choice, odds uint32, outcomes uint64) uint64
	// Draw draws a number below n that is no fault: how long something takes, say.
	Draw(c Choice, n uint64) uint64
}

// Seeded decides by a hash of the seed and the choice.
type Seeded uint64

var _ Decider = Seeded(0)

// Fault implements Decider.
func (s Seeded) Fault(c Choice, odds uint32, outcomes uint64) uint64 {
	if odds == 0 {
		return 0
	}
	h := s.hash(c)
	if uint32((h>>40)%1_000_000) >= odds {
		return 0
	}
	return 1 + (h&(1<<40-1))%outcomes
}

// Draw implements Decider.
func (s Seeded) Draw(c Choice, n uint64) uint64 {
	if n <= 1 {
		return 0
	}
	return s.hash(c) % n
}

func (s Seeded) hash(c Choice) uint64 {
	h := mix(uint64(s), uint64(c.Kind)<<56|uint64(uint32(c.From))<<28|uint64(uint32(c.To)))
	return mix(h, c.Seq)
}

// Decision is a choice and what was decided.
type Decision struct {
	Choice
	Outcome uint64
}

// Recording notes the faults that another Decider decides on.
type Recording struct {
	Decider
	Faults []Decision // in the order in which they were decided; those with outcome 0 are left out
}

// Fault implements Decider.
func (r *Recording) Fault(c Choice, odds uint32, outcomes uint64) uint64 {
	outcome := r.Decider.Fault(c, odds, outcomes)
	if outcome != 0 {
		r.Faults = append(r.Faults, Decision{c, outcome})
	}
	return outcome
}

// Only lets the given faults happen and no other; all that is no fault it leaves to Decider.
type Only struct {
	Decider
	faults map[Choice]uint64
}

// NewOnly makes one.
func NewOnly(d Decider, faults []Decision) Only {
	o := Only{d, make(map[Choice]uint64, len(faults))}
	for _, f := range faults {
		o.faults[f.Choice] = f.Outcome
	}
	return o
}

// Fault implements Decider.
func (o Only) Fault(c Choice, _ uint32, outcomes uint64) uint64 {
	return min(o.faults[c], outcomes)
}

// mix hashes two words (the multiplication and folding of wyhash).
func mix(a, b uint64) uint64 {
	a ^= 0x9e3779b97f4a7c15
	b ^= 0xd1b54a32d192ed03
	h := a ^ b>>32 ^ b<<32
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= b
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// mixBytes hashes bytes into h.
func mixBytes(h uint64, b []byte) uint64 {
	h = mix(h, uint64(len(b)))
	for len(b) >= 8 {
		h = mix(h, uint64(b[0])|uint64(b[1])<<8|uint64(b[2])<<16|uint64(b[3])<<24|uint64(b[4])<<32|uint64(b[5])<<40|uint64(b[6])<<48|uint64(b[7])<<56)
		b = b[8:]
	}
	last := uint64(0)
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	return mix(h, last)
}
