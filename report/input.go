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
	Events       iter.Seq2[history.Event, error] // the history, read once or twice; nil: there is none
	Pictures     []Picture
	Logs         []Log
	Messages     string // page of the messages between the nodes, relative to this one; empty: there is none
	Shrunk       string // page of the run made small, likewise
	Links        []Link
	Problems     []string // what could not be read, for people
}

// Picture is porcupine's interactive picture of one key: a whole HTML document.
type Picture struct {
	Key   string
	HTML  []byte
	Lanes int    // processes in it
	Note  string // what it shows
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
	if err := buildMessages(run); err != nil {
		return err
	}
	return replace(run.Path(store.ReportFile), func(f *os.File) error { return Page(f, run) })
}

// replace writes a page beside where it is to be, and puts it there once it is whole.
func replace(path string, write func(*os.File) error) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	defer os.Remove(temp.Name()) // gone already when all went well
	err = write(temp)
	err = errors.Join(err, temp.Chmod(0o644), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing the report %s: %w", path, err)
	}
	return nil
}

// Page writes the run's page elsewhere than into its folder.
func Page(w io.Writer, run *store.Run) error { return Write(w, load(run)) }

func load(run *store.Run) Input {
	var in Input
	var err error
	problem := func(err error) { in.Problems = append(in.Problems, err.Error()) }
	if in.Test, err = run.Test(); err != nil {
		problem(err)
	}
	if in.Verdict, err = run.Verdict(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		problem(err)
	}
	if in.Observations, err = run.Observations(); err != nil {
		problem(err)
	}
	if path, err := run.History(); err == nil {
		in.Events = events(path)
	} else {
		problem(err)
	}
	in.Links, in.Logs = links(run), runLogs(run)
	if isRegular(run.Path(store.MessagesFile)) {
		in.Messages = store.MessagesFile
	}
	if isRegular(run.Path(store.ShrunkPageFile)) {
		in.Shrunk = store.ShrunkPageFile
	}
	var problems []string
	in.Pictures, problems = pictures(run, in.Verdict)
	in.Problems = append(in.Problems, problems...)
	return in
}

// events are those of the history in the file; an error is the last.
func events(path string) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		r, err := history.Open(path)
		if err != nil {
			yield(history.Event{}, err)
			return
		}
		defer r.Close() // it was only read
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
	for _, name := range []string{store.HistoryFile, store.SealedHistoryFile, store.TestFile, store.ScheduleFile, store.VerdictFile, store.ObservationsFile, store.PlanFile, store.EvidenceFile, store.ShrunkFile, store.ShrunkPageFile, store.TraceFile, store.MessagesFile, store.HarnessLogFile} {
		if isRegular(run.Path(name)) {
			list = append(list, Link{Href: name, Label: name})
		}
	}
	for _, path := range run.NodeLogs() {
		list = append(list, Link{Href: path, Label: filepath.Base(path)})
	}
	return list
}

func isRegular(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}
