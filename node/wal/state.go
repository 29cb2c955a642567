package wal

import (
	"fmt"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/raft"
)

// maxIndex keeps index+1 from wrapping round; no log gets there.
const maxIndex = 1 << 62

// Position is a place in the log: an entry's index and term.
type Position struct {
	Index uint64
	Term  uint64
}

// state is what the log amounts to without the entries themselves. The writer and recovery pass every change through
// it, so that what recovery refuses cannot be written.
type state struct {
	hard     raft.HardState
	position Position // the log begins after it
	last     Position // the last entry, or position
	runs     []run    // where the terms of the entries after position begin, ascending
	segments []segment
}

// run is a stretch of entries of one term.
type run struct {
	first uint64
	term  uint64
}

// segment is one of the files, the oldest first.
type segment struct {
	sequence uint64
	before   uint64 // highest index whose entry stands in earlier segments only; entries cut or replaced since do not count
}

// begin opens a segment.
func (s *state) begin(sequence uint64) {
	s.segments = append(s.segments, segment{sequence, s.last.Index})
}

// covered is how many of the oldest segments nobody needs: the position covers what they hold of the log.
func (s *state) covered() int {
	n := 0
	for n+1 < len(s.segments) && s.segments[n+1].before <= s.position.Index {
		n++
	}
	return n
}

// apply takes a batch.
func (s *state) apply(c change) error {
	if c.hard != nil {
		if err := s.setHard(*c.hard); err != nil {
			return err
		}
	}
	if c.truncate {
		if err := s.truncate(c.keep); err != nil {
			return err
		}
	}
	return s.append(c.entries)
}

// setHard takes a hard state.
func (s *state) setHard(h raft.HardState) error {
	if h.Term < s.hard.Term {
		return fmt.Errorf("the term goes back from %d to %d", s.hard.Term, h.Term)
	}
	s.hard = h
	return nil
}

// truncate drops the entries after keep.
func (s *state) truncate(keep uint64) error {
	if keep < s.position.Index || keep >= s.last.Index {
		return fmt.Errorf("a truncation to index %d of a log that begins after %d and ends with %d", keep, s.position.Index, s.last.Index)
	}
	s.last = Position{keep, s.termAt(keep)}
	for len(s.runs) > 0 && s.runs[len(s.runs)-1].first > keep {
		s.runs = s.runs[:len(s.runs)-1]
	}
	for i := range s.segments {
		s.segments[i].before = min(s.segments[i].before, keep)
	}
	return nil
}

// append takes entries that follow the last one.
func (s *state) append(entries []raft.Entry) error {
	for i := range entries {
		e := &entries[i]
		if e.Index != s.last.Index+1 || e.Index > maxIndex {
			return fmt.Errorf("entry %d follows entry %d", e.Index, s.last.Index)
		}
		if e.Term < s.last.Term || e.Term == 0 {
			return fmt.Errorf("entry %d of term %d follows one of term %d", e.Index, e.Term, s.last.Term)
		}
		if len(s.runs) == 0 || s.runs[len(s.runs)-1].term != e.Term {
			s.runs = append(s.runs, run{e.Index, e.Term})
		}
		s.last = Position{e.Index, e.Term}
	}
	return nil
}

// compact moves the position forward within the log.
func (s *state) compact(p Position) error {
	if p.Index < s.position.Index || p.Index > s.last.Index {
		return fmt.Errorf("a snapshot at index %d of a log that begins after %d and ends with %d", p.Index, s.position.Index, s.last.Index)
	}
	if term := s.termAt(p.Index); term != p.Term && term != 0 {
		return fmt.Errorf("a snapshot at index %d of term %d, where the log has term %d", p.Index, p.Term, term)
	}
	s.position = p
	if p.Index == s.last.Index {
		s.last, s.runs = p, s.runs[:0]
		return nil
	}
	next := p.Index + 1
	if i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].first > next }) - 1; i >= 0 {
		s.runs = slices.Delete(s.runs, 0, i)
		s.runs[0].first = next
	}
	return nil
}

// reset replaces the log by a snapshot.
func (s *state) reset(p Position) error {
	if p.Index < s.position.Index || p.Index == s.position.Index && p.Term != s.position.Term {
		return fmt.Errorf("a snapshot at index %d of term %d replaces one at %d of term %d", p.Index, p.Term, s.position.Index, s.position.Term)
	}
	if p.Index > maxIndex {
		return fmt.Errorf("a snapshot at index %d", p.Index)
	}
	s.position, s.last, s.runs = p, p, s.runs[:0]
	for i := range s.segments {
		s.segments[i].before = 0
	}
	return nil
}

// termAt is the term of the entry at an index from position to last; 0 where recovery began after that entry and did
// not see it.
func (s *state) termAt(index uint64) uint64 {
	switch index {
	case s.position.Index:
		return s.position.Term
	case s.last.Index:
		return s.last.Term
	}
	i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].first > index })
	if i == 0 {
		return 0
	}
	return s.runs[i-1].term
}

// appendStart writes what the first record of a segment holds.
func (s *state) appendStart(buf []byte) []byte {
	buf = appendPair(buf, s.hard.Term, uint64(s.hard.Vote))
	buf = appendPair(buf, s.position.Index, s.position.Term)
	return appendPair(buf, s.last.Index, s.last.Term)
}

// decodeStart makes the state that appendStart wrote, without segments.
func decodeStart(payload []byte) (state, error) {
	r := &reader{b: payload}
	s := state{
		hard:     raft.HardState{Term: r.uint64(), Vote: raft.NodeID(r.uint64())},
		position: Position{r.uint64(), r.uint64()},
		last:     Position{r.uint64(), r.uint64()},
	}
	if s.last.Index < s.position.Index || s.last.Index > maxIndex {
		return state{}, fmt.Errorf("a log that begins after %d and ends with %d", s.position.Index, s.last.Index)
	}
	if s.last.Term < s.position.Term || s.last.Index == s.position.Index && s.last != s.position {
		return state{}, fmt.Errorf("a log that begins after index %d of term %d and ends with %d of term %d", s.position.Index, s.position.Term, s.last.Index, s.last.Term)
	}
	if s.last.Index > s.position.Index {
		s.runs = []run{{s.last.Index, s.last.Term}}
	}
	return s, r.done()
}

// follows checks the state at a segment's beginning against the one that the segments before it led to.
func (s *state) follows(before *state) error {
	sameTerm := s.last.Term == before.last.Term || before.last.Term == 0
	if s.hard != before.hard || s.position != before.position || s.last.Index != before.last.Index || !sameTerm {
		return fmt.Errorf("the segment continues a log with %v, position %v, last %v; the segments before it end with %v, %v, %v",
			s.hard, s.position, s.last, before.hard, before.position, before.last)
	}
	return nil
}
