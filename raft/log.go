package raft

import "fmt"

// raftLog holds the entries after the last snapshot, and how far they are written, durable, committed and applied.
//
//	lastIncluded <= handed <= commit <= last        handed <= durable <= last        durable <= written <= last
type raftLog struct {
	lastIncludedIndex uint64 // of the snapshot before the log; 0 without one
	lastIncludedTerm  uint64
	entries           []Entry // entries[i].Index == lastIncludedIndex+1+i

	commit  uint64 // commitIndex of the paper
	handed  uint64 // entries up to here were given out to be applied
	written uint64 // entries up to here were given out to be written
	durable uint64 // entries up to here are on stable storage
	writes  []pendingWrite
}

// pendingWrite is a write given out and not yet durable.
type pendingWrite struct {
	number      uint64
	first, last uint64 // indexes of its entries; 0, 0 without any
}

func (l *raftLog) lastIndex() uint64 { return l.lastIncludedIndex + uint64(len(l.entries)) }
func (l *raftLog) lastTerm() uint64  { return l.term(l.lastIndex()) }

// has reports whether the term of index i is known.
func (l *raftLog) has(i uint64) bool { return i >= l.lastIncludedIndex && i <= l.lastIndex() }

// term is the term of entry i, which must be known.
func (l *raftLog) term(i uint64) uint64 {
	if i == l.lastIncludedIndex {
		return l.lastIncludedTerm
	}
	return l.entry(i).Term
}

func (l *raftLog) entry(i uint64) Entry {
	if i <= l.lastIncludedIndex || i > l.lastIndex() {
		panic(fmt.Sprintf("raft: entry %d asked for, log holds %d to %d", i, l.lastIncludedIndex+1, l.lastIndex()))
	}
	return l.entries[i-l.lastIncludedIndex-1]
}

// slice gives entries from index from on, at most maxBytes of data but at least one. It aliases the log, which never
// changes an entry in place: truncation copies (see truncate).
func (l *raftLog) slice(from uint64, maxBytes int) []Entry {
	if from > l.lastIndex() {
		return nil
	}
	es := l.entries[from-l.lastIncludedIndex-1:]
	bytes := 0
	for i := range es {
		bytes += len(es[i].Data)
		if i > 0 && bytes > maxBytes {
			return es[:i:i]
		}
	}
	return es[:len(es):len(es)]
}

// upToDate reports whether a log that ends at (index, term) is at least as new as this one (paper 5.4.1, R11).
func (l *raftLog) upToDate(index, term uint64) bool {
	return term > l.lastTerm() || term == l.lastTerm() && index >= l.lastIndex()
}

func (l *raftLog) append(es ...Entry) {
	for _, e := range es {
		if e.Index != l.lastIndex()+1 {
			panic(fmt.Sprintf("raft: append of entry %d to a log that ends at %d", e.Index, l.lastIndex()))
		}
		if e.Term < l.lastTerm() {
			panic(fmt.Sprintf("raft: entry %d of term %d follows term %d", e.Index, e.Term, l.lastTerm()))
		}
		l.entries = append(l.entries, e)
	}
}

// truncate removes entry from and all after it.
func (l *raftLog) truncate(from uint64) {
	if from <= l.commit {
		panic(fmt.Sprintf("raft: truncation from %d would remove committed entries, commit index is %d", from, l.commit))
	}
	// Slices of the log may still be on their way to the network: later appends must not write over them.
	keep := int(from - l.lastIncludedIndex - 1)
	l.entries = append(make([]Entry, 0, keep+16), l.entries[:keep]...)
	l.written = min(l.written, from-1)
	l.durable = min(l.durable, from-1)
}

// conflict is the index of the first of es that the log does not hold with the same term, or 0 when it holds them all.
func (l *raftLog) conflict(es []Entry) uint64 {
	for _, e := range es {
		if !l.has(e.Index) || l.term(e.Index) != e.Term {
			return e.Index
		}
	}
	return 0
}

// lastWithTermAtMost is the greatest index up to from whose term is at most term: one step of the conflict hint skips
// all entries of a term (paper 5.3). Below the snapshot everything is committed, and so matches.
func (l *raftLog) lastWithTermAtMost(from, term uint64) uint64 {
	i := min(from, l.lastIndex())
	for i > l.lastIncludedIndex && l.term(i) > term {
		i--
	}
	return i
}

// giveOut records that the entries after written go out as write number n, and returns them.
func (l *raftLog) giveOut(n uint64) []Entry {
	es := l.slice(l.written+1, maxInt)
	w := pendingWrite{number: n}
	if len(es) > 0 {
		w.first, w.last = es[0].Index, es[len(es)-1].Index
	}
	l.writes = append(l.writes, w)
	l.written = l.lastIndex()
	return es
}

const maxInt = int(^uint(0) >> 1)

// persisted records that all writes up to number n are durable. What a later write replaces does not count, be it under
// way (a crash may find either version on disk) or not even given out (written is then before what it replaces).
func (l *raftLog) persisted(n uint64) {
	last := uint64(0)
	for len(l.writes) > 0 && l.writes[0].number <= n {
		if l.writes[0].first > 0 {
			last = l.writes[0].last // what it replaced is gone from the disk too
		}
		l.writes = l.writes[1:]
	}
	for _, w := range l.writes {
		if w.first > 0 {
			last = min(last, w.first-1)
		}
	}
	l.durable = max(l.durable, min(last, l.written))
}
