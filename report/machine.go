package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// Summary is a run for machines: its definition, its verdict and its figures.
type Summary struct {
	Folder  string             `json:"folder"`
	Test    store.Test         `json:"test"`
	Verdict store.Verdict      `json:"verdict"`           // an empty Verdict.Verdict: the run has none
	P50     time.Duration      `json:"p50_ns,omitempty"`  // of ok operations, to 3%
	P99     time.Duration      `json:"p99_ns,omitempty"`  //
	Slowest *history.Operation `json:"slowest,omitempty"` // that was ok
}

// Summarize reads a run. One without a verdict, or without a history, is summarized as far as it goes.
func Summarize(run *store.Run) (Summary, error) {
	s := Summary{Folder: run.Folder}
	var err error
	if s.Test, err = run.Test(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if s.Verdict, err = run.Verdict(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	path, err := run.History()
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	in := Input{Events: events(path)}
	var latency histogram
	_, problem := in.follow(func(j *joined) {
		if j.Type != history.OK {
			return
		}
		latency.add(j.Latency())
		if s.Slowest == nil || j.Latency() > s.Slowest.Latency() {
			op := j.Operation
			s.Slowest = &op
		}
	})
	if problem != "" {
		return s, fmt.Errorf("%s: %s", path, problem)
	}
	s.P50, s.P99 = latency.quantile(0.5), latency.quantile(0.99)
	return s, nil
}

// JSON writes an object a line.
func JSON(w io.Writer, all []Summary) error {
	out := json.NewEncoder(w)
	for _, s := range all {
		if err := out.Encode(s); err != nil {
			return fmt.Errorf("writing the runs as JSON: %w", err)
		}
	}
	return nil
}

// JUnit's elements, as Jenkins, GitLab and others read them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr,omitempty"`
		Properties []junitProperty `xml:"properties>property,omitempty"`
		Cases      []junitCase     `xml:"testcase"`
		Out        string          `xml:"system-out,omitempty"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitTrouble `xml:"failure,omitempty"`
		Error   *junitTrouble `xml:"error,omitempty"`
	}
	junitTrouble struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes a suite a run: a case for the verdict, and one for each checker. Invalid is a failure, unknown an error: a
// CI that shows either as green would be worse than none.
func JUnit(w io.Writer, all []Summary) error {
	suites := junitSuites{Name: "ordeal"}
	var length time.Duration
	for _, s := range all {
		suite := junitSuiteOf(s)
		suites.Suites = append(suites.Suites, suite)
		suites.Tests += suite.Tests
		suites.Failures += suite.Failures
		suites.Errors += suite.Errors
		length += s.Verdict.Length
	}
	suites.Time = junitSeconds(length)
	b, err := xml.MarshalIndent(suites, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the runs as JUnit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, b)
	return err
}

func junitSuiteOf(s Summary) junitSuite {
	name := s.Test.Name
	if name == "" {
		name = filepath.Base(s.Folder)
	}
	suite := junitSuite{Name: shown(name, 120), Time: junitSeconds(s.Verdict.Length)}
	if !s.Test.Started.IsZero() {
		suite.Timestamp = s.Test.Started.UTC().Format("2006-01-02T15:04:05")
	}
	for _, p := range []junitProperty{{"folder", s.Folder}, {"command", shell(s.Test.Command)}, {"cluster", s.Test.Cluster}, {"workload", s.Test.Workload},
		{"faults", strings.Join(s.Test.Faults, ",")}, {"seed", fmt.Sprint(s.Test.Seed)}} {
		suite.Properties = append(suite.Properties, junitProperty{p.Name, shown(p.Value, 2000)})
	}
	class := "ordeal." + suite.Name
	verdict := checker.Result{Checker: "verdict", Verdict: s.Verdict.Verdict, Reason: s.Verdict.Reason}
	if verdict.Verdict == "" {
		verdict.Reason = "the run has no verdict: it goes on still, or was ended before it"
	}
	for _, r := range append([]checker.Result{verdict}, s.Verdict.Results...) {
		suite.add(junitCaseOf(r, class))
	}
	var text strings.Builder
	_ = Text(&text, s.Verdict, TextOptions{P50: s.P50, P99: s.P99, Slowest: s.Slowest}) // a builder takes all
	suite.Out = text.String()
	return suite
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func junitCaseOf(r checker.Result, class string) junitCase {
	c := junitCase{Name: shown(r.Checker, 80), Class: class, Time: junitSeconds(r.Elapsed)}
	trouble := &junitTrouble{Message: shown(r.Reason, 500), Type: string(r.Verdict), Text: junitKeys(r)}
	switch r.Verdict {
	case checker.Valid:
	case checker.Invalid:
		c.Failure = trouble
	default:
		c.Error = trouble
	}
	return c
}

// junitKeys says which keys the checker is not content with.
func junitKeys(r checker.Result) string {
	var lines []string
	for _, k := range slices.DeleteFunc(slices.Clone(r.Keys), func(k checker.KeyResult) bool { return k.Verdict == checker.Valid }) {
		if len(lines) == 20 {
			lines = append(lines, "…")
			break
		}
		lines = append(lines, fmt.Sprintf("key %s is %s: %s", shown(k.Key, 80), k.Verdict, shown(k.Reason, 400)))
	}
	return strings.Join(lines, "\n")
}

func junitSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
