package raft

import "strconv"

// NodeID names one server of the cluster. Zero is nobody.
type NodeID uint64

func (id NodeID) String() string { return strconv.FormatUint(uint64(id), 10) }

// EntryKind says what a log entry carries.
type EntryKind uint8

const (
	// EntryCommand carries a command for the state machine.
	EntryCommand EntryKind = iota
	// EntryNoOp is what a new leader appends to commit the entries of earlier terms (thesis 6.4, paper section 8).
	EntryNoOp
	// EntryConfiguration carries a cluster configuration (paper section 6).
	EntryConfiguration
)

// Entry is one log entry (paper figure 2): the term in which the leader received it, its position, its command.
type Entry struct {
	Term  uint64
	Index uint64 // the first index is 1
	Kind  EntryKind
	Data  []byte
}

// HardState is what a server keeps on stable storage beside its log, updated before it answers an RPC (paper figure 2).
type HardState struct {
	Term uint64 // latest term the server has seen
	Vote NodeID // candidate that received its vote in Term, or zero
}
