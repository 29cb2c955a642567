package sim

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/raft"
)

// Brief is a message on its arrow.
func Brief(m *raft.Message) string {
	switch m.Kind {
	case raft.AppendEntries:
		if n := len(m.Entries); n > 1 {
			return fmt.Sprintf("append %d–%d", m.PrevLogIndex+1, m.PrevLogIndex+uint64(n))
		} else if n == 1 {
			return fmt.Sprintf("append %d", m.PrevLogIndex+1)
		}
		return "heartbeat"
	case raft.AppendEntriesReply:
		if m.Reject {
			return fmt.Sprintf("no match at %d", m.PrevLogIndex)
		}
		return fmt.Sprintf("matches to %d", m.MatchIndex)
	case raft.RequestVote:
		return fmt.Sprintf("vote for me, term %d", m.Term)
	case raft.PreVote:
		return fmt.Sprintf("would you, term %d", m.Term)
	case raft.RequestVoteReply, raft.PreVoteReply:
		if m.Reject {
			return "no"
		}
		return "yes"
	case raft.InstallSnapshot:
		return fmt.Sprintf("snapshot at %d", m.Snapshot.LastIncludedIndex)
	case raft.InstallSnapshotReply:
		return fmt.Sprintf("has to byte %d", m.Offset)
	}
	return m.Kind.String()
}

// MessageClass is how drawings tell messages apart: vote, append, snapshot, other.
func MessageClass(k raft.MessageKind) string {
	switch k {
	case raft.RequestVote, raft.RequestVoteReply, raft.PreVote, raft.PreVoteReply, raft.TimeoutNow:
		return "vote"
	case raft.AppendEntries, raft.AppendEntriesReply:
		return "append"
	case raft.InstallSnapshot, raft.InstallSnapshotReply:
		return "snapshot"
	}
	return "other"
}

// Describe says what a message is, in a few words.
func Describe(m *raft.Message) string {
	text := fmt.Sprintf("%v of term %d", m.Kind, m.Term)
	switch m.Kind {
	case raft.AppendEntries:
		switch n := len(m.Entries); n {
		case 0:
			text = fmt.Sprintf("heartbeat of term %d, commit %d", m.Term, m.Commit)
		case 1:
			text += fmt.Sprintf(", entry %d", m.PrevLogIndex+1)
		default:
			text += fmt.Sprintf(", entries %d to %d", m.PrevLogIndex+1, m.PrevLogIndex+uint64(n))
		}
	case raft.AppendEntriesReply:
		if m.Reject {
			text += fmt.Sprintf(", refused after %d", m.PrevLogIndex)
		} else {
			text += fmt.Sprintf(", matches to %d", m.MatchIndex)
		}
	case raft.RequestVoteReply, raft.PreVoteReply:
		text += ", " + map[bool]string{false: "yes", true: "no"}[m.Reject]
	case raft.InstallSnapshot:
		text += fmt.Sprintf(" at %d, from byte %d", m.Snapshot.LastIncludedIndex, m.Offset)
	}
	return text
}

// Minors tells the messages of a run that change nothing: heartbeats, and answers that a leader has had before. The zero value is ready.
type Minors struct {
	match map[[2]raft.NodeID]uint64 // what a follower has told a leader last
}

// Minor reports whether the next message that is sent is one.
func (k *Minors) Minor(m *raft.Message) bool {
	switch m.Kind {
	case raft.AppendEntries:
		return len(m.Entries) == 0
	case raft.AppendEntriesReply:
		if k.match == nil {
			k.match = map[[2]raft.NodeID]uint64{}
		}
		link := [2]raft.NodeID{m.From, m.To}
		before := k.match[link]
		k.match[link] = m.MatchIndex
		return !m.Reject && m.MatchIndex == before
	}
	return false
}
