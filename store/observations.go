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
	"sync"
)

// Observations writes what the nodes said of themselves, a line each, as it is seen. It may be used from several
// goroutines.
type Observations struct {
	mu   sync.Mutex
	file *os.File
}

// CreateObservations opens the run's observations for appending.
func (r *Run) CreateObservations() (*Observations, error) {
	f, err := os.OpenFile(r.Path(ObservationsFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("writing observations: %w", err)
	}
	return &Observations{file: f}, nil
}

// Write appends one. There are few (a node's status when it changed), so each goes to the file at once and a killed
// harness loses none.
func (w *Observations) Write(o Observation) error {
	line, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("writing observations: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing observations: %w", err)
	}
	return nil
}

// Close makes what was written durable.
func (w *Observations) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		return fmt.Errorf("writing observations: %w", err)
	}
	return nil
}

// Observations reads what the nodes said of themselves; none where the run kept none.
func (r *Run) Observations() ([]Observation, error) {
	f, err := os.Open(r.Path(ObservationsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading observations: %w", err)
	}
	defer f.Close()
	return ReadObservations(r.Path(ObservationsFile), f)
}

// ReadObservations reads JSON lines; path is where they came from, for errors. A last line without its end is what a
// killed harness was writing, and is left out; any other line that does not read is an error, and what stood before it is
// returned with it.
func ReadObservations(path string, from io.Reader) ([]Observation, error) {
	var all []Observation
	in := bufio.NewReader(from)
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return all, fmt.Errorf("reading %s: %w", path, err)
		}
		torn := err == io.EOF
		if len(bytes.TrimSpace(line)) > 0 {
			var o Observation
			if err := json.Unmarshal(line, &o); err == nil {
				all = append(all, o)
			} else if !torn {
				return all, fmt.Errorf("%s:%d: not an observation: %w: remove the line", path, number, err)
			}
		}
		if torn {
			return all, nil
		}
	}
}
