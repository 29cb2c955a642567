package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/disk"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/ordeal-dev/ordeal/nemesis/vdso"
)

const (
	maxBody     = 1 << 20
	orderLimit  = 10 * time.Second // for the kernel to do what a signal asks
	bearer      = "Bearer "
	statusGone  = http.StatusConflict
	contentJSON = "application/json"
)

// server is the control API.
type server struct {
	health     Health
	kept       string // file with the rules in force
	supervisor *supervisor
	prober     *prober
	log        *childLog
	disk       *disk.Disk // nil: none
	filter     netfilter.Filter
	shapers    shapers
	clock      vdso.Follower
	note       func(format string, args ...any)

	mu    sync.Mutex // one change of rules at a time
	names map[netfilter.Drop]string
	// earlier is what a drop in force stopped before the rules were last replaced, which starts the kernel's counts
	// anew: a cut that stands while others change keeps its count.
	earlier map[netfilter.Drop]netfilter.Count
}

// handler serves the API to who knows the secret.
func (s *server) handler(secret string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathHealth, s.getHealth)
	mux.HandleFunc("GET "+pathProcess, s.getProcess)
	mux.HandleFunc("POST "+pathStart, s.order("start", func(context.Context) error { return s.supervisor.start() }))
	mux.HandleFunc("POST "+pathKill, s.order("kill", s.supervisor.kill))
	mux.HandleFunc("POST "+pathPause, s.order("pause", s.supervisor.pause))
	mux.HandleFunc("POST "+pathResume, s.order("resume", s.supervisor.resume))
	mux.HandleFunc("PUT "+pathPartition, s.putPartition)
	mux.HandleFunc("DELETE "+pathPartition, s.deletePartition)
	mux.HandleFunc("GET "+pathCounters, s.getCounters)
	mux.HandleFunc("PUT "+pathShapes, s.putShapes)
	mux.HandleFunc("DELETE "+pathShapes, s.deleteShapes)
	mux.HandleFunc("GET "+pathShapes, s.getShapes)
	mux.HandleFunc("GET "+pathAble, s.getAble)
	mux.HandleFunc("POST "+pathReset, s.postReset)
	mux.HandleFunc("POST "+pathSend, s.postSend)
	mux.HandleFunc("POST "+pathReceived, s.postReceived)
	mux.HandleFunc("GET "+pathPorts, s.getPorts)
	mux.HandleFunc("GET "+pathLog, s.getLog)
	s.handleDisk(mux)
	s.handleClock(mux)
	return authorize(secret, plainErrorsAsJSON(mux))
}

// authorize lets only requests with the secret through. Digests are compared, so that the time taken tells neither the
// secret's bytes nor its length.
func authorize(secret string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(secret))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), bearer)
		digest := sha256.Sum256([]byte(got))
		if !ok || subtle.ConstantTimeCompare(digest[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "this agent takes orders only from its harness: "+
				"send \"Authorization: Bearer SECRET\" with the secret of "+SecretVariable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// plainErrorsAsJSON turns the router's own answers (no such path, method not allowed) into an Error.
func plainErrorsAsJSON(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern == "" {
			rec := &statusRecorder{header: w.Header()}
			h.ServeHTTP(rec, r)
			fail(w, rec.status, fmt.Sprintf("%s %s: %s", r.Method, r.URL.Path, http.StatusText(rec.status)))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

type statusRecorder struct {
	header http.Header
	status int
}

func (s *statusRecorder) Header() http.Header         { return s.header }
func (s *statusRecorder) WriteHeader(status int)      { s.status = status }
func (s *statusRecorder) Write(b []byte) (int, error) { return len(b), nil }

func answer(w http.ResponseWriter, v any) { write(w, http.StatusOK, v) }

func fail(w http.ResponseWriter, status int, message string) {
	write(w, status, Error{Message: message})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", contentJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// failWith chooses the status by whose fault it is.
func failWith(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errRunning), errors.Is(err, errNotRunning), errors.Is(err, errNoCommand), errors.Is(err, errDiskBusy):
		fail(w, statusGone, err.Error())
	case errors.Is(err, netfilter.ErrUnsupported), errors.Is(err, errNoDisk):
		fail(w, http.StatusNotImplemented, err.Error())
	default:
		fail(w, http.StatusInternalServerError, err.Error())
	}
}

// decode reads one JSON value and nothing else. When it answers false the request has been answered.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes", maxBody))
		return false
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "read the request: "+err.Error())
		return false
	}
	if err := decodeStrictly(body, v); err != nil {
		fail(w, http.StatusBadRequest, fmt.Sprintf("the request is no %T: %v", v, err))
		return false
	}
	return true
}

func (s *server) getHealth(w http.ResponseWriter, _ *http.Request) {
	h := s.health
	if _, err := s.filter.Counts(); err != nil {
		h.Netfilter = err.Error()
	}
	answer(w, h)
}

func (s *server) getProcess(w http.ResponseWriter, _ *http.Request) { answer(w, s.supervisor.state()) }

// order carries out one order about the process. It is not given up when the caller goes away: a kill half done would
// leave nobody knowing.
func (s *server) order(name string, do func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), orderLimit)
		defer cancel()
		err := do(ctx)
		state := s.supervisor.state()
		if err != nil {
			s.note("%s: %v", name, err)
			failWith(w, err)
			return
		}
		s.note("%s: done, %s", name, describe(state))
		answer(w, state)
	}
}

func describe(p nemesis.ProcessState) string {
	switch {
	case p.Paused:
		return fmt.Sprintf("process %d is stopped", p.PID)
	case p.Running:
		return fmt.Sprintf("process %d runs", p.PID)
	case p.Starts == 0:
		return "no process was started yet"
	}
	return fmt.Sprintf("process %d ended: %s", p.PID, p.Ended)
}

func (s *server) putPartition(w http.ResponseWriter, r *http.Request) {
	var p Partition
	if !decode(w, r, &p) {
		return
	}
	drops, names, err := p.check()
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, err := s.counts()
	if err == nil {
		err = s.filter.Replace(drops)
	}
	if err != nil {
		s.note("partition: %v", err)
		failWith(w, err)
		return
	}
	s.names, s.earlier = names, map[netfilter.Drop]netfilter.Count{}
	s.keep(&p)
	for _, c := range before {
		if slices.Contains(drops, c.Drop) {
			s.earlier[c.Drop] = c
		}
	}
	s.note("partition: %d cuts in force", len(drops))
	answer(w, p)
}

func (s *server) deletePartition(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.filter.Clear(); err != nil {
		s.note("heal: %v", err)
		failWith(w, err)
		return
	}
	s.names, s.earlier = nil, nil
	s.keep(nil)
	s.note("heal: no cut is in force")
	answer(w, Partition{Cuts: []Cut{}})
}

func (s *server) getCounters(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts, err := s.counts()
	if err != nil {
		failWith(w, err)
		return
	}
	c := Counters{Counts: make([]CutCount, len(counts))}
	for i, n := range counts {
		c.Counts[i] = CutCount{Name: s.names[n.Drop], Count: n}
	}
	answer(w, c)
}

// counts are the kernel's counts of the drops in force and what they stopped earlier. The caller holds mu.
func (s *server) counts() ([]netfilter.Count, error) {
	counts, err := s.filter.Counts()
	for i, c := range counts {
		counts[i].Packets += s.earlier[c.Drop].Packets
		counts[i].Bytes += s.earlier[c.Drop].Bytes
	}
	return counts, err
}

func (s *server) postReset(w http.ResponseWriter, r *http.Request) {
	var req ResetRequest
	if !decode(w, r, &req) {
		return
	}
	if err := req.check(); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	n, err := netfilter.ResetConnections(req.Peers)
	if err != nil {
		s.note("reset: %v", err)
		failWith(w, err)
		return
	}
	answer(w, Reset{Destroyed: n})
}

func (s *server) postSend(w http.ResponseWriter, r *http.Request) {
	var req SendRequest
	if !decode(w, r, &req) {
		return
	}
	if err := req.check(); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, Sent{Failed: s.prober.send(req.Targets)})
}

func (s *server) postReceived(w http.ResponseWriter, r *http.Request) {
	var req ReceivedRequest
	if !decode(w, r, &req) {
		return
	}
	if err := req.check(); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(req.WaitMS)*time.Millisecond)
	defer cancel()
	answer(w, Received{From: s.prober.received(ctx, req.Nonces)})
}

func (s *server) getPorts(w http.ResponseWriter, _ *http.Request) {
	ports, err := listening()
	if err != nil {
		failWith(w, err)
		return
	}
	answer(w, Ports{Listening: ports})
}

func (s *server) getLog(w http.ResponseWriter, _ *http.Request) {
	snapshot, err := s.log.snapshot()
	if err != nil {
		failWith(w, err)
		return
	}
	defer snapshot.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.Copy(w, snapshot)
}
