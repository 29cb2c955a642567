package agent

import (
	"net/http"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/nfqueue"
	"github.com/ordeal-dev/ordeal/nemesis/qdisc"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// shaper is a mechanism that shapes packets.
type shaper interface {
	Replace([]shaping.Peer) error
	Counts() ([]nemesis.Shaped, error)
}

// shapers are the two that there are, with the names of the peers that each shapes, in its order.
type shapers struct {
	arriving nfqueue.Shaper
	leaving  qdisc.Shaper
	from, to []string
}

func (s *shapers) close() { s.arriving.Close(); s.leaving.Close() }

func (s *server) putShapes(w http.ResponseWriter, r *http.Request) {
	var all Shapes
	if !decode(w, r, &all) {
		return
	}
	s.shape(w, all)
}

func (s *server) deleteShapes(w http.ResponseWriter, _ *http.Request) { s.shape(w, Shapes{}) }

func (s *server) shape(w http.ResponseWriter, all Shapes) {
	peers, from, err := checkShapes(all.Peers)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	sent, to, err := checkShapes(all.Sent)
	if err != nil {
		fail(w, http.StatusBadRequest, "sent: "+err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = replace(&s.shapers.arriving, peers, &s.shapers.from, from); err == nil {
		err = replace(&s.shapers.leaving, sent, &s.shapers.to, to)
	}
	if err != nil {
		s.note("shapes: %v", err)
		failWith(w, err)
		return
	}
	s.note("shapes: what arrives from %d peers is shaped, and what is sent to %d", len(peers), len(sent))
	s.answerShapes(w)
}

// replace has a mechanism shape what there is for it, also when that is nothing: an agent before this one may have left something.
func replace(by shaper, peers []shaping.Peer, named *[]string, names []string) error {
	err := by.Replace(peers)
	if err == nil {
		*named = names
	}
	return err
}

func (s *server) getShapes(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answerShapes(w)
}

// answerShapes tells the counts. The caller holds mu.
func (s *server) answerShapes(w http.ResponseWriter) {
	arrived, err := countsOf(&s.shapers.arriving, s.shapers.from)
	if err != nil {
		failWith(w, err)
		return
	}
	sent, err := countsOf(&s.shapers.leaving, s.shapers.to)
	if err != nil {
		failWith(w, err)
		return
	}
	answer(w, ShapeCounts{Counts: arrived, Sent: sent})
}

func countsOf(by shaper, names []string) ([]ShapeCount, error) {
	counts, err := by.Counts()
	all := make([]ShapeCount, len(counts))
	for i, c := range counts {
		all[i] = ShapeCount{Name: names[i], Shaped: c}
	}
	return all, err
}

// getAble tries the mechanisms. Traffic control that shapes now has shown that it can.
func (s *server) getAble(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var able Able
	said := func(into *string, err error) {
		if err != nil {
			*into = err.Error()
		}
	}
	_, err := s.filter.Counts()
	said(&able.Netfilter, err)
	said(&able.Queue, nfqueue.Probe())
	said(&able.Copies, nfqueue.ProbeCopies())
	said(&able.Netem, qdisc.Probe(qdisc.Netem))
	said(&able.TBF, qdisc.Probe(qdisc.TBF))
	said(&able.VDSO, s.ableToSetClock())
	answer(w, able)
}
