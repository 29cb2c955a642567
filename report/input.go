package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// Input is all that a page is made of.
type Input struct {
	Test         store.Test
	Verdict      store.Verdict // an empty Verdict.Verdict: the run has none
	Observations []store.Observation
	Events       iter.Seq2[history.Event, error] // the history, read once; nil: there is none
	Picture      Picture
	Links        []Link
	Problems     []string // what could not be read, for people
}

// Picture is porcupine's interactive picture of one key: a whole HTML document.
type Picture struct {
	Key   string
	HTML  []byte // none: no picture
	Lanes int    // processes in it
	Note  string // why this key, or why there is none
}

// Link is a file beside the page.
type Link struct {
	Href  string // relative to the page
	Label string
}

// Build writes report.html into the run's folder from the files there. A file that is missing or broken makes the page say
// so, not fail: a run that went wrong is the one people want to read about.
func Build(folder string) error {
	run, err := store.Open(folder)
	if err != nil {
		return err
	}
	in := load(run)
	defer in.close()
	temp, err := os.CreateTemp(run.Folder, "."+store.ReportFile+".*")
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	defer os.Remove(temp.Name()) // gone already when all went well
	err = Write(temp, in.Input)
	err = errors.Join(err, temp.Chmod(0o644), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), run.Path(store.ReportFile))
	}
	if err != nil {
		return fmt.Errorf("writing the report %s: %w", run.Path(store.ReportFile), err)
	}
	return nil
}

// loaded is an Input with the history open.
type loaded struct {
	Input
	reader *history.Reader
}

func (l *loaded) close() {
	if l.reader != nil {
		_ = l.reader.Close() // it was only read
	}
}

func load(run *store.Run) *loaded {
	l := &loaded{}
	var err error
	if l.Test, err = run.Test(); err != nil {
		l.problem(err)
	}
	if l.Verdict, err = run.Verdict(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.problem(err)
	}
	if l.Observations, err = run.Observations(); err != nil {
		l.problem(err)
	}
	l.openHistory(run)
	l.Links = links(run)
	l.Picture, err = picture(run, l.Verdict)
	if err != nil {
		l.problem(err)
	}
	return l
}

func (l *loaded) problem(err error) { l.Problems = append(l.Problems, err.Error()) }

func (l *loaded) openHistory(run *store.Run) {
	path, err := run.History()
	if err == nil {
		l.reader, err = history.Open(path)
	}
	if err != nil {
		l.problem(err)
		return
	}
	l.Events = events(l.reader)
}

// events are the rest of a history's events; an error is the last.
func events(r *history.Reader) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		for {
			e, err := r.Next()
			if err == io.EOF {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// links are the run's files that exist, those people open first in front.
func links(run *store.Run) []Link {
	var list []Link
	for _, name := range []string{store.HistoryFile, store.SealedHistoryFile, store.TestFile, store.ScheduleFile, store.VerdictFile, store.ObservationsFile, store.HarnessLogFile} {
		if info, err := os.Stat(run.Path(name)); err == nil && info.Mode().IsRegular() {
			list = append(list, Link{Href: name, Label: name})
		}
	}
	for _, path := range run.NodeLogs() {
		list = append(list, Link{Href: path, Label: filepath.Base(path)})
	}
	return list
}
