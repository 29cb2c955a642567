package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	flushEvery  = 100 * time.Millisecond
	flushSize   = 256 << 10 // bytes; so many are written out at once, in the background
	bufferLimit = 4 << 20   // bytes; where the disk is so far behind, who fills the buffer writes it out himself
)

// Writer writes a history file while the run goes on. Append may be called from many goroutines.
//
// A failing disk does not stop the run: the first error is kept and told by Err and Close, and nothing is written after
// it, so that the file ends where it was sound.
type Writer struct {
	output io.Writer
	file   *os.File      // nil when the output is no file
	enough chan struct{} // told when there are flushSize bytes
	stop   chan struct{}
	done   chan struct{}

	mu     sync.Mutex // guards what follows
	buffer []byte
	next   int           // index of the next event
	last   time.Duration // time of the last event
	closed bool
	err    error

	writing sync.Mutex // held over each write, so that buffers reach the file in order; taken before mu
	spare   []byte
}

// Create begins a history file. A file that exists is never overwritten.
func Create(path string) (*Writer, error) {
	for _, taken := range []string{path, path + SealedSuffix} {
		if _, err := os.Lstat(taken); err == nil {
			return nil, fmt.Errorf("history %s exists already; choose another folder for the run", taken)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("begin a history: %w", err)
	}
	w := newWriter(f)
	w.file = f
	return w, w.begin()
}

// NewWriter begins a history on any output. Close does not close the output.
func NewWriter(output io.Writer) *Writer {
	w := newWriter(output)
	w.begin() // the error stays in the writer
	return w
}

func newWriter(output io.Writer) *Writer {
	return &Writer{
		output: output,
		enough: make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
}

func (w *Writer) begin() error {
	w.buffer = append(w.buffer, headerLine()...)
	err := w.Flush()
	go w.flushInBackground()
	return err
}

func (w *Writer) flushInBackground() {
	defer close(w.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.Flush() // the error stays in the writer
		case <-w.enough:
			w.Flush() // likewise
		case <-w.stop:
			return
		}
	}
}

// Append writes the event and returns it with the Index and Time it stands with in the file. The order of Append is
// the order of the file, and time grows along it: an event whose time is not after the last one's is moved to a
// nanosecond after it. That keeps verdicts right as long as an invocation is appended before the operation is sent and
// a completion after the answer came: both then lie where the file says.
func (w *Writer) Append(e Event) Event {
	if !w.Record(&e) {
		panic("history: Append after Close")
	}
	return e
}

// lines are buffers for one line each, without its index and its time.
var lines = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// Record is Append for those who do it often: it sets the event's Index and Time in place. It reports whether the event is
// in the file: after Close none is.
//
// The line is put together before the lock is taken, but for its index and its time, which are known only then: recorders wait for
// each other as long as it takes to copy a line.
func (w *Writer) Record(e *Event) bool {
	if e.Type < Invoke || e.Type > Info {
		panic(fmt.Sprintf("history: event of %v", e.Type))
	}
	line := lines.Get().(*[]byte)
	*line = append(e.appendRest((*line)[:0]), '\n')
	before, after, ok := w.enter(e, *line)
	lines.Put(line)
	switch {
	case after >= bufferLimit:
		w.Flush() // the error stays in the writer
	case before < flushSize && after >= flushSize:
		select {
		case w.enough <- struct{}{}:
		default:
		}
	}
	return ok
}

// enter gives the event its place, and tells what the buffer held before it and holds with it.
func (w *Writer) enter(e *Event, line []byte) (before, after int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, 0, false
	}
	if w.next > 0 || e.Time < 0 {
		e.Time = max(e.Time, w.last+1)
	}
	e.Index, w.last = w.next, e.Time
	w.next++
	before = len(w.buffer)
	if w.err == nil {
		w.buffer = append(e.appendPlace(w.buffer), line...)
	}
	return before, len(w.buffer), true
}

// Flush hands what was appended to the operating system.
func (w *Writer) Flush() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	full := w.buffer
	w.buffer = w.spare[:0]
	err := w.err
	w.mu.Unlock()
	if err == nil && len(full) > 0 {
		if _, err = w.output.Write(full); err != nil {
			err = w.keep(fmt.Errorf("write the history: %w", err))
		}
	}
	w.spare = full[:0]
	return err
}

// keep remembers the first error.
func (w *Writer) keep(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		w.buffer = w.buffer[:0]
	}
	return w.err
}

// Err is the first error of the disk, if there was one.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Len is the number of events appended.
func (w *Writer) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// Close writes what is left, makes it durable and closes the file. It returns the first error the history met. Later
// calls return the same.
func (w *Writer) Close() error {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	if !first {
		<-w.done
		return w.Err()
	}
	close(w.stop)
	<-w.done
	w.Flush() // the error stays in the writer
	if w.file == nil {
		return w.Err()
	}
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		return w.keep(fmt.Errorf("close the history: %w", err))
	}
	return w.Err()
}

// syncFolder makes a rename or removal in the folder of path durable.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
