package importer

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// logPrefix is what Jepsen's logger writes before an operation: "INFO  jepsen.util - ", or with date, thread and level
// as newer versions have it.
var logPrefix = regexp.MustCompile(`^.*\bjepsen\.util\b\s*[-:]\s+`)

// looksLikeOperation finds what an operation has and other lines of the log lack.
var looksLikeOperation = regexp.MustCompile(`\s:(invoke|ok|fail|info)\s`)

// decodeLog reads Jepsen's log: process, type, function, value, separated by tabs. Lines of other loggers are skipped and
// counted in a warning.
func decodeLog(data []byte) (events []history.Event, warnings []string, err error) {
	b := &builder{}
	line, skipped := 0, 0
	for text := range bytes.Lines(data) {
		line++
		text = bytes.TrimRight(text, "\r\n")
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		prefix := logPrefix.Find(text)
		if prefix == nil && !looksLikeOperation.Match(text) {
			skipped++
			continue
		}
		o, err := logOperation(string(text[len(prefix):]))
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %w; correct or remove the line", line, err)
		}
		o.line = line
		if err := b.add(o); err != nil {
			return nil, nil, err
		}
	}
	warnings = b.told()
	if skipped > 0 {
		warnings = append(warnings, fmt.Sprintf("%d lines of the log are no operations and were skipped", skipped))
	}
	return b.events, warnings, nil
}

func logOperation(text string) (operation, error) {
	o := operation{time: -1}
	fields := strings.SplitN(text, "\t", 4)
	if len(fields) < 3 {
		return o, fmt.Errorf("process, type, function and value expected, separated by tabs, found %q", text)
	}
	if len(fields) == 3 {
		fields = append(fields, "nil")
	}
	for i, into := range []*form{&o.process, &o.kind, nil, &o.value} {
		if into == nil {
			continue
		}
		forms, err := allForms(fields[i])
		if err != nil {
			return o, fmt.Errorf("field %d, %q: %w", i+1, fields[i], err)
		}
		*into = forms[0]
		if len(forms) > 1 && (i != 3 || len(forms) > 2) { // after a value the error may follow
			return o, fmt.Errorf("field %d, %q, holds more than one thing", i+1, fields[i])
		}
		if len(forms) == 2 {
			o.err = forms[1]
		}
	}
	o.f = trimColon(strings.TrimSpace(fields[2]))
	return o, nil
}

// allForms reads a text that holds one form or more.
func allForms(text string) ([]form, error) {
	r := newEDNReader([]byte(text))
	var forms []form
	for {
		f, err := r.next(0)
		switch {
		case err == io.EOF && len(forms) > 0:
			return forms, nil
		case err == io.EOF:
			return nil, fmt.Errorf("nothing there")
		case err == errClose:
			return nil, fmt.Errorf("a closing bracket without its opening")
		case err != nil:
			return nil, err
		}
		forms = append(forms, f)
	}
}
