package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// TraceEvent is one thing that happened in a simulated run, a line of its trace (docs/trace-format.md).
type TraceEvent struct {
	At   time.Duration `json:"t"`
	Kind string        `json:"kind"`
	Node string        `json:"node,omitempty"` // whom it happened to; of messages the sender
	Peer string        `json:"peer,omitempty"` // of messages the receiver
	// Number is that of the message on its link, of the fault, or of the client's process.
	Number uint64 `json:"number,omitempty"`
	Term   uint64 `json:"term,omitempty"`
	Index  uint64 `json:"index,omitempty"` // of the log; of a client's operation the line in the history, from 0
	// Label, Class (vote, append, snapshot, other) and Minor (it changes nothing) are of messages that are sent.
	Label string `json:"label,omitempty"`
	Class string `json:"class,omitempty"`
	Minor bool   `json:"minor,omitempty"`
	Text  string `json:"text,omitempty"` // for people
}

// Kinds of TraceEvent.
const (
	TraceSent              = "sent"
	TraceDelivered         = "delivered"
	TraceDropped           = "dropped"
	TraceStarted           = "started"
	TraceEnded             = "ended"
	TraceRole              = "role"
	TraceCommitted         = "committed"
	TraceSnapshotSaved     = "snapshot-saved"
	TraceSnapshotInstalled = "snapshot-installed"
	TraceInvoked           = "invoked"
	TraceCompleted         = "completed"
	TraceFaultBegan        = "fault-began"
	TraceFaultEnded        = "fault-ended"
	TraceViolation         = "violation"
)

// TraceWriter writes a run's trace.
type TraceWriter struct {
	file    *os.File
	buffer  *bufio.Writer
	encoder *json.Encoder
	err     error
}

// CreateTrace begins the run's trace.
func (r *Run) CreateTrace() (*TraceWriter, error) {
	f, err := os.Create(r.Path(TraceFile))
	if err != nil {
		return nil, fmt.Errorf("writing the trace: %w", err)
	}
	w := &TraceWriter{file: f, buffer: bufio.NewWriterSize(f, 1<<16)}
	w.encoder = json.NewEncoder(w.buffer)
	w.encoder.SetEscapeHTML(false)
	return w, nil
}

// Write writes an event. Close tells of an error.
func (w *TraceWriter) Write(e *TraceEvent) {
	if w.err == nil {
		w.err = w.encoder.Encode(e)
	}
}

// Close ends the trace.
func (w *TraceWriter) Close() error {
	if err := errors.Join(w.err, w.buffer.Flush(), w.file.Close()); err != nil {
		return fmt.Errorf("writing the trace: %w", err)
	}
	return nil
}

// Trace gives the events of the run's trace to each, in order, until it returns false. The error is fs.ErrNotExist where the run has
// none: it was not simulated.
func (r *Run) Trace(each func(TraceEvent) bool) error { return r.TraceOf(nil, each) }

// TraceOf is Trace of the events that are chosen by their time and kind, which costs little for the others; nil chooses all.
func (r *Run) TraceOf(choose func(at time.Duration, kind string) bool, each func(TraceEvent) bool) error {
	f, err := os.Open(r.Path(TraceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no trace: only simulated runs have one: %w", r.Folder, fs.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("reading the trace: %w", err)
	}
	defer f.Close()
	return readTrace(r.Path(TraceFile), f, choose, each)
}

// headOf is a line's time and kind, as TraceWriter puts them in front; false: it was written by somebody else.
func headOf(line []byte) (at time.Duration, kind string, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"t":`))
	if !ok {
		return 0, "", false
	}
	digits := 0
	for digits < len(rest) && digits < 18 && rest[digits] >= '0' && rest[digits] <= '9' {
		at = at*10 + time.Duration(rest[digits]-'0')
		digits++
	}
	rest, ok = bytes.CutPrefix(rest[digits:], []byte(`,"kind":"`))
	end := bytes.IndexByte(rest, '"')
	if !ok || digits == 0 || end < 0 {
		return 0, "", false
	}
	return at, string(rest[:end]), true
}

// ReadTrace reads a trace's lines likewise; path is where they came from, for errors. A last line without its end, which a run that was
// ended leaves, is passed over.
func ReadTrace(path string, from io.Reader, each func(TraceEvent) bool) error {
	return readTrace(path, from, nil, each)
}

func readTrace(path string, from io.Reader, choose func(at time.Duration, kind string) bool, each func(TraceEvent) bool) error {
	in := bufio.NewReaderSize(from, 1<<16)
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if choose != nil {
			if at, kind, ok := headOf(line); ok && !choose(at, kind) {
				continue
			}
		}
		var e TraceEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s:%d: not an event of a trace: %w: the file was changed; run the simulation again", path, number, err)
		}
		if choose != nil && !choose(e.At, e.Kind) {
			continue
		}
		if !each(e) {
			return nil
		}
	}
}
