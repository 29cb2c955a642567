package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
)

const (
	maxBody     = 1 << 20
	maxItems    = 4096
	orderLimit  = 10 * time.Second // for the kernel to do what a signal asks
	maxWait     = time.Minute
	maxWaitMS   = int(maxWait / time.Millisecond)
	bearer      = "Bearer "
	statusGone  = http.StatusConflict
	contentJSON = "application/json"
)

// server is the control API.
type server struct {
	health     Health
	supervisor *supervisor
	prober     *prober
	log        *childLog
	note       func(format string, args ...any)

	mu    sync.Mutex // one change of rules at a time
	names map[netip.Addr]string
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
	mux.HandleFunc("POST "+pathReset, s.postReset)
	mux.HandleFunc("POST "+pathSend, s.postSend)
	mux.HandleFunc("POST "+pathReceived, s.postReceived)
	mux.HandleFunc("GET "+pathPorts, s.getPorts)
	mux.HandleFunc("GET "+pathLog, s.getLog)
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
	case errors.Is(err, errRunning), errors.Is(err, errNotRunning), errors.Is(err, errNoCommand):
		fail(w, statusGone, err.Error())
	case errors.Is(err, netfilter.ErrUnsupported):
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

// decodeStrictly refuses unknown fields and anything behind the value: a request that means more than is understood
// must not half happen.
func decodeStrictly(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the value")
	}
	return nil
}

func (s *server) getHealth(w http.ResponseWriter, _ *http.Request) {
	h := s.health
	if _, err := netfilter.Counts(); err != nil {
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
	if len(p.Cuts) > maxItems {
		fail(w, http.StatusBadRequest, fmt.Sprintf("%d cuts, at most %d", len(p.Cuts), maxItems))
		return
	}
	drops, names := make([]netfilter.Drop, len(p.Cuts)), map[netip.Addr]string{}
	for i, c := range p.Cuts {
		if err := c.Drop.Check(); err != nil {
			fail(w, http.StatusBadRequest, fmt.Sprintf("cut %d (%s): %v", i, c.Name, err))
			return
		}
		drops[i] = c.Drop
		names[c.Peer.Unmap()] = c.Name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := netfilter.Replace(drops); err != nil {
		s.note("partition: %v", err)
		failWith(w, err)
		return
	}
	s.names = names
	s.note("partition: %d cuts in force", len(drops))
	answer(w, p)
}

func (s *server) deletePartition(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := netfilter.Clear(); err != nil {
		s.note("heal: %v", err)
		failWith(w, err)
		return
	}
	s.names = nil
	s.note("heal: no cut is in force")
	answer(w, Partition{Cuts: []Cut{}})
}

func (s *server) getCounters(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts, err := netfilter.Counts()
	if err != nil {
		failWith(w, err)
		return
	}
	c := Counters{Counts: make([]CutCount, len(counts))}
	for i, n := range counts {
		c.Counts[i] = CutCount{Name: s.names[n.Peer], Count: n}
	}
	answer(w, c)
}

func (s *server) postReset(w http.ResponseWriter, r *http.Request) {
	var req ResetRequest
	if !decode(w, r, &req) {
		return
	}
	for i, p := range req.Peers {
		if !p.IsValid() {
			fail(w, http.StatusBadRequest, fmt.Sprintf("peer %d has no address", i))
			return
		}
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
	if len(req.Targets) > maxItems {
		fail(w, http.StatusBadRequest, fmt.Sprintf("%d targets, at most %d", len(req.Targets), maxItems))
		return
	}
	for i, t := range req.Targets {
		if err := checkNonce(t.Nonce); err != nil {
			fail(w, http.StatusBadRequest, fmt.Sprintf("target %d: %v", i, err))
			return
		}
		if !t.Address.IsValid() || t.Address.Port() == 0 {
			fail(w, http.StatusBadRequest, fmt.Sprintf("target %d: no address with a port", i))
			return
		}
	}
	answer(w, Sent{Failed: s.prober.send(req.Targets)})
}

func (s *server) postReceived(w http.ResponseWriter, r *http.Request) {
	var req ReceivedRequest
	if !decode(w, r, &req) {
		return
	}
	if len(req.Nonces) > maxItems || req.WaitMS < 0 || req.WaitMS > maxWaitMS {
		fail(w, http.StatusBadRequest, fmt.Sprintf("%d nonces, at most %d; wait_ms is %d, want 0 to %d",
			len(req.Nonces), maxItems, req.WaitMS, maxWaitMS))
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
