package importer

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// Format is how a history is written.
type Format string

const (
	Ordeal    Format = "ordeal"     // history.jsonl, plain or sealed
	EDN       Format = "edn"        // Jepsen's history.edn: maps in a vector or list, or one after another
	EDNLines  Format = "edn-lines"  // porcupine's key-value logs: a map a line, with :key
	JepsenLog Format = "jepsen-log" // lines of Jepsen's log
)

// Formats are all there are.
var Formats = []Format{Ordeal, EDN, EDNLines, JepsenLog}

// detectBytes is how much of a file Detect wants to see.
const detectBytes = 64 << 10

// Detect tells the format from the beginning of a file.
func Detect(start []byte) (Format, error) {
	if bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return Ordeal, nil
	}
	start = withoutMark(start)
	r := newEDNReader(start)
	if err := r.space(0); err != nil {
		return EDN, nil // a discarded form; reading will say what is wrong with it
	}
	rest := start[r.pos:]
	switch c := r.at(0); {
	case len(rest) == 0:
		return "", fmt.Errorf("the file holds nothing: the run that was to write it may have ended before; run it again")
	case c == '{' && bytes.HasPrefix(bytes.TrimLeft(rest[1:], " \t"), []byte(`"`)):
		return Ordeal, nil
	case c == '{' && bytes.Contains([]byte(firstLine(rest, len(rest))), []byte(":key")):
		return EDNLines, nil
	case c == '{':
		return EDN, nil
	case c == '[', c == '(', c == '#':
		return EDN, nil
	case looksLikeOperation.Match(start), bytes.Contains(start, []byte("jepsen")):
		return JepsenLog, nil
	}
	return "", fmt.Errorf("neither a history of ordeal, nor EDN, nor a log of Jepsen: line 1 begins with %q; --format says what it is, if it is one of them", firstLine(rest, 60))
}

// firstLine is the first line of b, up to a length.
func firstLine(b []byte, most int) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), most)]), "\n")
	return line
}

// withoutMark is b without the byte order mark that some editors put at the beginning.
func withoutMark(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) }

// Decode reads a whole history of the format.
func Decode(format Format, data []byte) (*history.History, error) {
	return DecodeWithin(history.Limits{}, format, data)
}

// DecodeWithin is Decode within limits.
func DecodeWithin(l history.Limits, format Format, data []byte) (*history.History, error) {
	var events []history.Event
	var warnings []string
	var err error
	switch format {
	case Ordeal:
		return decodeOrdeal(l, data)
	case EDN, EDNLines:
		events, warnings, err = decodeEDN(l, data)
	case JepsenLog:
		events, warnings, err = decodeLog(l, data)
	default:
		return nil, fmt.Errorf("format %q does not exist: one of %s, %s, %s, %s expected", format, Ordeal, EDN, EDNLines, JepsenLog)
	}
	if err != nil {
		return nil, err
	}
	h, err := history.JoinWithin(l, events)
	if err != nil {
		return nil, err
	}
	h.Warnings = append(h.Warnings, warnings...)
	return told(h), nil
}

func decodeOrdeal(l history.Limits, data []byte) (*history.History, error) {
	r, err := history.NewReader(bytes.NewReader(withoutMark(data)))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	r.Limit(l)
	h, err := r.Join()
	if err != nil {
		return nil, err
	}
	return told(h), nil
}

// told is the history with a warning where it holds nothing.
func told(h *history.History) *history.History {
	if len(h.Operations)+len(h.Nemesis) == 0 {
		h.Warnings = append(h.Warnings, "the history holds no operation")
	}
	return h
}
