package agent

import (
	"net/http"

	"github.com/ordeal-dev/ordeal/nemesis/nfqueue"
)

func (s *server) putShapes(w http.ResponseWriter, r *http.Request) {
	var all Shapes
	if !decode(w, r, &all) {
		return
	}
	peers, names, err := all.check()
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	s.shape(w, peers, names)
}

func (s *server) deleteShapes(w http.ResponseWriter, _ *http.Request) { s.shape(w, nil, nil) }

func (s *server) shape(w http.ResponseWriter, peers []nfqueue.Peer, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.shaper.Replace(peers); err != nil {
		s.note("shapes: %v", err)
		failWith(w, err)
		return
	}
	s.shaped = names
	s.note("shapes: %d peers are shaped", len(peers))
	s.answerShapes(w)
}

func (s *server) getShapes(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answerShapes(w)
}

// answerShapes tells the counts. The caller holds mu.
func (s *server) answerShapes(w http.ResponseWriter) {
	counts, err := s.shaper.Counts()
	if err != nil {
		failWith(w, err)
		return
	}
	all := ShapeCounts{Counts: make([]ShapeCount, len(counts))}
	for i, c := range counts {
		all.Counts[i] = ShapeCount{Name: s.shaped[i], Shaped: c}
	}
	answer(w, all)
}

// getAble tries the mechanisms.
func (s *server) getAble(w http.ResponseWriter, _ *http.Request) {
	var able Able
	if _, err := s.filter.Counts(); err != nil {
		able.Netfilter = err.Error()
	}
	if err := nfqueue.Probe(); err != nil {
		able.Queue = err.Error()
	}
	if err := nfqueue.ProbeCopies(); err != nil {
		able.Copies = err.Error()
	}
	if err := s.ableToSetClock(); err != nil {
		able.VDSO = err.Error()
	}
	answer(w, able)
}
