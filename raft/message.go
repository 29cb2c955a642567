package raft

import "fmt"

// MessageKind names an RPC of the paper, or its reply.
type MessageKind uint8

const (
	// RequestVote asks for a vote (paper 5.2).
	RequestVote MessageKind = iota + 1
	RequestVoteReply
	// PreVote asks whether a vote would be given, and changes nothing at either end (thesis 9.6).
	PreVote
	PreVoteReply
	// AppendEntries replicates entries; without entries it is a heartbeat (paper 5.2, 5.3).
	AppendEntries
	AppendEntriesReply
	// InstallSnapshot sends a chunk of a snapshot (paper section 7).
	InstallSnapshot
	InstallSnapshotReply
	// TimeoutNow tells its receiver to start an election at once (thesis 3.10).
	TimeoutNow
)

var kindNames = map[MessageKind]string{
	RequestVote: "RequestVote", RequestVoteReply: "RequestVoteReply", PreVote: "PreVote", PreVoteReply: "PreVoteReply",
	AppendEntries: "AppendEntries", AppendEntriesReply: "AppendEntriesReply",
	InstallSnapshot: "InstallSnapshot", InstallSnapshotReply: "InstallSnapshotReply", TimeoutNow: "TimeoutNow",
}

func (k MessageKind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return fmt.Sprintf("MessageKind(%d)", uint8(k))
}

// Valid reports whether k names a message.
func (k MessageKind) Valid() bool { return k >= RequestVote && k <= TimeoutNow }

// Message is one RPC or reply between two servers. Which fields count depends on the kind; the others are zero.
type Message struct {
	Kind MessageKind
	From NodeID
	To   NodeID
	Term uint64 // the sender's; of a PreVote and its grant: the term the election would have

	// RequestVote, PreVote: the candidate's last entry.
	LastLogIndex uint64
	LastLogTerm  uint64
	// RequestVote: the election was ordered by the leader (thesis 3.10), so its lease does not stand against it.
	Transfer bool

	// AppendEntries.
	PrevLogIndex uint64
	PrevLogTerm  uint64
	Entries      []Entry
	Commit       uint64 // leaderCommit
	// Round numbers the leader's confirmations of its leadership in this term; replies return it (thesis 6.4).
	Round uint64

	// InstallSnapshot: what the snapshot covers, and the chunk of it at Offset (bytes). The driver fills in Chunk and Done
	// where it sends. InstallSnapshotReply: Offset is the next byte wanted of the snapshot at MatchIndex.
	Snapshot *SnapshotMeta
	Offset   uint64
	Chunk    []byte
	Done     bool

	// Replies.
	Reject bool
	// PreVoteReply: up to MatchIndex, the sender's commit index, the committed configuration does not name the asker; Term
	// is the asker's. Without it MatchIndex of a PreVoteReply or RequestVoteReply is the index of a configuration that does
	// (0: none known). AppendEntries: the configuration committed at Commit does not name the receiver (R17).
	Removed    bool
	MatchIndex uint64 // AppendEntriesReply, accepted: the log matches the leader's up to here, durably
	// AppendEntriesReply, rejected: PrevLogIndex is that of the request; the follower's log may match the leader's
	// at HintIndex, whose term is HintTerm, or below it, and surely not above (conflict hint, paper 5.3).
	HintIndex uint64
	HintTerm  uint64
}
