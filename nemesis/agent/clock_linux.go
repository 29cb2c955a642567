package agent

import (
	"net/http"
	"os"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/vdso"
)

// handleClock adds the part of the API that is about the child's clocks.
func (s *server) handleClock(mux *http.ServeMux) {
	mux.HandleFunc("GET "+pathClock, func(w http.ResponseWriter, _ *http.Request) { s.answerClock(w) })
	mux.HandleFunc("PUT "+pathClock, func(w http.ResponseWriter, r *http.Request) {
		var to nemesis.ClockSetting
		if !decode(w, r, &to) {
			return
		}
		if err := vdso.Check(to); err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		err := s.supervisor.whileThere(func(pid int) error { return s.clock.Set(pid, to) })
		if err != nil {
			s.note("clock: %v", err)
			failWith(w, err)
			return
		}
		s.note("clock: %+v", to)
		s.answerClock(w)
	})
}

func (s *server) answerClock(w http.ResponseWriter) {
	var reading nemesis.ClockReading
	err := s.supervisor.whileThere(func(pid int) (err error) {
		reading, err = s.clock.Read(pid)
		return err
	})
	if err != nil {
		failWith(w, err)
		return
	}
	answer(w, reading)
}

// ableToSetClock tells why the child's clocks cannot be set or, while there is none, those of a process like this one.
func (s *server) ableToSetClock() error {
	pid := os.Getpid()
	if c, err := s.supervisor.current(); err == nil {
		pid = c.pid
	}
	return vdso.Probe(pid)
}
