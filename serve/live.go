package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/ordeal-dev/ordeal/store"
)

const liveEvery = 300 * time.Millisecond

// liveEvent is a run at a moment, as the live view gets it.
type liveEvent struct {
	Name     string          `json:"name"`
	Test     *store.Test     `json:"test,omitempty"`
	State    string          `json:"state"` // running, ended (without a verdict), over
	Progress *store.Progress `json:"progress,omitempty"`
	Verdict  string          `json:"verdict,omitempty"`
	Reason   string          `json:"reason,omitempty"`
}

// live streams what goes on in a run until it is over, as server-sent events.
func (s *Server) live(w http.ResponseWriter, r *http.Request, run *store.Run) {
	flush, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "this connection cannot stream", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	ticker := time.NewTicker(liveEvery)
	defer ticker.Stop()
	last := ""
	for {
		event, over := s.event(run)
		text, err := json.Marshal(event)
		if err != nil {
			return
		}
		if string(text) != last {
			last = string(text)
			if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
				return
			}
			flush.Flush()
		}
		if over {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.ended:
			return
		case <-ticker.C:
		}
	}
}

// event is the run now, and whether nothing more will come.
func (s *Server) event(run *store.Run) (e liveEvent, over bool) {
	e.Name = s.pathOf(run.Folder)
	if t, err := run.Test(); err == nil {
		e.Test = &t
	}
	sum := s.lists.summary(run)
	if sum.Verdict != "" && stampOf(run.Path(store.ProgressFile)) == "-" { // its page is written before the harness lets go
		e.State, e.Verdict, e.Reason = "over", string(sum.Verdict), sum.Reason
		return e, true
	}
	p, err := run.Progress()
	switch {
	case err == nil && p.Alive(time.Now()):
		e.State, e.Progress = "running", &p
	case err == nil, errors.Is(err, fs.ErrNotExist):
		e.State = "ended"
		if sum.Verdict != "" {
			e.State, e.Verdict, e.Reason = "over", string(sum.Verdict), sum.Reason
		}
		return e, true
	default: // it is just being replaced
		e.State = "running"
	}
	return e, false
}
