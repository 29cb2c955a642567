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

// logStart is in how many bytes of a line its prefix and its type must come.
const logStart = 4096

// looksLikeOperation finds what an operation has and other lines of the log lack.
var looksLikeOperation = regexp.MustCompile(`\s:(invoke|ok|fail|info)\s`)

// decodeLog reads Jepsen's log: process, type, function, value, separated by tabs, or by spaces in older ones. Lines of other loggers are skipped and
// counted in a warning.
func decodeLog(l history.Limits, data []byte) (events []history.Event, warnings []string, err error) {
	b := &builder{limits: l}
	data = withoutMark(data)
	line, skipped := 0, 0
	for text := range bytes.Lines(data) {
		line++
		if l.Stopped() != nil {
			return nil, nil, l.Stopped()
		}
		text = bytes.TrimRight(text, "\r\n")
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		start := text[:min(len(text), logStart)]
		prefix := logPrefix.Find(start)
		if prefix == nil && !looksLikeOperation.Match(start) {
			skipped++
			continue
		}
		o, err := logOperation(string(text[len(prefix):]))
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %w; correct or remove the line", line, err)
		}
		o.line = line
		if err := b.take(o); err != nil {
			return nil, nil, err
		}
	}
	if err := b.build(); err != nil {
		return nil, nil, err
	}
	warnings = b.told()
	if skipped > 0 {
		warnings = append(warnings, fmt.Sprintf("lines of the log that are no operations and were skipped: %d", skipped))
	}
	return b.events, warnings, nil
}

func logOperation(text string) (operation, error) {
	if !strings.Contains(text, "\t") {
		return spacedOperation(text)
	}
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

// spacedOperation reads process, type, function, value and perhaps an error, separated by spaces.
func spacedOperation(text string) (operation, error) {
	forms, err := allForms(text)
	if err != nil {
		return operation{}, err
	}
	return operationOfParts(forms)
}

// operationOfParts is the operation of a process, its type and function, and perhaps a value and an error.
func operationOfParts(parts []form) (operation, error) {
	if len(parts) < 3 || len(parts) > 5 {
		return operation{}, fmt.Errorf("process, type, function, value and perhaps an error expected, found %d things", len(parts))
	}
	o := operation{time: -1, line: parts[0].line, process: parts[0], kind: parts[1]}
	if parts[2].kind != ednKeyword && parts[2].kind != ednString {
		return o, fmt.Errorf("the function must be a keyword, not %v", parts[2].value())
	}
	o.f = trimColon(parts[2].text)
	if len(parts) > 3 {
		o.value = parts[3]
	}
	if len(parts) > 4 {
		o.err = parts[4]
	}
	return o, nil
}

// allForms reads a text that holds one form or more.
func allForms(text string) ([]form, error) {
	r := newEDNReader([]byte(text))
	r.inLine = true
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
