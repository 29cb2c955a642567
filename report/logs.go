package report

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/store"
)

const (
	logBudget    = 2 << 20 // bytes of lines in the page, before they are packed
	logLineShown = 500     // characters
	logLineRead  = 16 << 10
	nearEvidence = 3 * time.Second
	nearFault    = time.Second
)

// Log is a file of lines that tell the time of day.
type Log struct {
	Name string // node, or harness
	Path string
}

// runLogs are the nodes' logs and the harness's.
func runLogs(run *store.Run) []Log {
	var list []Log
	for _, path := range run.NodeLogs() {
		name := strings.TrimSuffix(strings.TrimPrefix(path, store.NodesFolder+"/"), ".log")
		list = append(list, Log{Name: name, Path: run.Path(path)})
	}
	if info, err := os.Lstat(run.Path(store.HarnessLogFile)); err == nil && info.Mode().IsRegular() {
		list = append(list, Log{Name: "harness", Path: run.Path(store.HarnessLogFile)})
	}
	return list
}

// logLine is a line with its time in the test.
type logLine struct {
	at   time.Duration
	log  int
	text string
}

// worth says which lines go first when there is no room for all.
const (
	worthMost = iota // near the evidence
	worthMuch        // near a fault, or a warning
	worthSome
	worths
)

// logReading gathers lines within a budget each for those worth most, much and some: what is worth less gives way.
type logReading struct {
	began  time.Time
	near   [2][]stretch // of worthMost, worthMuch
	kept   [worths][]logLine
	spent  [worths]int
	missed int
}

// logData is the lines as the page's script reads them, by time.
type logData struct {
	Logs   []string  `json:"logs"`
	At     []float64 `json:"at"`  // milliseconds of the test
	Log    []int     `json:"log"` // number in Logs
	Text   []string  `json:"text"`
	Missed int       `json:"missed"` // lines that there was no room for
	Rough  bool      `json:"rough"`  // the times are since the start of the run, a little before that of the test
}

// gatherLogs reads the logs. One that cannot be read is told of.
func gatherLogs(logs []Log, t store.Test, v store.Verdict, evidence []evidence) (logData, []string) {
	r := logReading{began: t.Began}
	if r.began.IsZero() {
		r.began = t.Started
	}
	data := logData{Rough: t.Began.IsZero(), Logs: []string{}, At: []float64{}, Log: []int{}, Text: []string{}}
	for _, e := range evidence {
		r.near[worthMost] = append(r.near[worthMost], stretch{e.from - nearEvidence, e.to + nearEvidence})
	}
	for _, f := range v.Faults {
		for _, at := range []time.Duration{f.Start, f.End} {
			r.near[worthMuch] = append(r.near[worthMuch], stretch{at - nearFault, at + nearFault})
		}
	}
	var problems []string
	for i, l := range logs {
		data.Logs = append(data.Logs, shown(l.Name, 40))
		if err := r.read(i, l.Path); err != nil {
			problems = append(problems, fmt.Sprintf("the log of %s could not be read to its end: %v", l.Name, err))
		}
	}
	for _, l := range r.lines() {
		data.At = append(data.At, float64(l.at.Microseconds())/1e3)
		data.Log, data.Text = append(data.Log, l.log), append(data.Text, l.text)
	}
	data.Missed = r.missed
	return data, problems
}

// read takes a log's lines. A line without a time has that of the line before it.
func (r *logReading) read(log int, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, logLineRead)
	var at time.Duration
	for {
		line, err := in.ReadSlice('\n')
		text := strings.TrimRight(string(line), "\r\n")
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a long line
			_, err = in.ReadSlice('\n')
		}
		if text != "" {
			if t, rest, ok := timeOf(text); ok {
				at, text = t.Sub(r.began), rest
			}
			r.take(logLine{at, log, shown(text, logLineShown)})
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// timeInLine is where a line tells the time of day: early in it, as all loggers do.
var timeInLine = regexp.MustCompile(`^(.{0,40}?)(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) ?`)

// timeOf is a line's time, and the line without it.
func timeOf(line string) (t time.Time, rest string, ok bool) {
	m := timeInLine.FindStringSubmatch(line)
	if m == nil {
		return t, line, false
	}
	stamp := strings.Replace(strings.Replace(m[2], " ", "T", 1), ",", ".", 1)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, stamp); err == nil {
			return t, strings.TrimPrefix(m[1], "time=") + line[len(m[0]):], true
		}
	}
	return t, line, false
}

func (r *logReading) take(l logLine) {
	w := r.worth(l)
	size := len(l.text) + 20
	if r.spent[w]+size > logBudget {
		r.missed++
		return
	}
	r.spent[w] += size
	r.kept[w] = append(r.kept[w], l)
}

func (r *logReading) worth(l logLine) int {
	for w, stretches := range r.near {
		if slices.ContainsFunc(stretches, func(s stretch) bool { return l.at >= s.from && l.at <= s.to }) {
			return w
		}
	}
	if strings.Contains(l.text, "level=WARN") || strings.Contains(l.text, "level=ERROR") || strings.HasPrefix(l.text, "panic:") {
		return worthMuch
	}
	return worthSome
}

// lines are those kept, within the budget, by time.
func (r *logReading) lines() []logLine {
	var list []logLine
	left := logBudget
	for w := range r.kept {
		for _, l := range r.kept[w] {
			if left -= len(l.text) + 20; left < 0 {
				r.missed++
				continue
			}
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b logLine) int { return cmp.Compare(a.at, b.at) })
	return list
}
