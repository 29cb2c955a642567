package importer

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
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
		return "", fmt.Errorf("the file holds nothing")
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
	return "", fmt.Errorf("neither a history of ordeal, nor EDN, nor a log of Jepsen: it begins with %q", firstLine(rest, 60))
}

// firstLine is the first line of b, up to a length.
func firstLine(b []byte, most int) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), most)]), "\n")
	return line
}

// withoutMark is b without the byte order mark that some editors put at the beginning.
func withoutMark(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) }

// Load reads the history at path, whatever its format.
func Load(path string) (*history.History, Format, error) {
	start, err := beginning(path)
	if bytes.HasPrefix(start, gzipMagic) {
		return loadGzip(path)
	}
	if os.IsNotExist(err) { // history.Open knows that a plain name may stand for a sealed file
		h, err := history.Load(path)
		return h, Ordeal, err
	}
	if err != nil {
		return nil, "", fmt.Errorf("read a history: %w", err)
	}
	format, err := Detect(start)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	if format == Ordeal {
		h, err := history.Load(path)
		return h, format, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("read a history: %w", err)
	}
	h, err := Decode(format, data)
	if err != nil {
		return nil, "", fmt.Errorf("%s %w", path, err)
	}
	return h, format, nil
}

var gzipMagic = []byte{0x1f, 0x8b}

// mostGzip bounds what a compressed history may hold, in bytes.
const mostGzip = 4 << 30

// loadGzip reads a history that was compressed with gzip.
func loadGzip(path string) (*history.History, Format, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("read a history: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w; the file is damaged: restore it from a copy", path, err)
	}
	data, err := io.ReadAll(io.LimitReader(z, mostGzip+1))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w; the file is damaged: restore it from a copy", path, err)
	}
	if len(data) > mostGzip {
		return nil, "", fmt.Errorf("%s holds more than %d GiB; this is no history", path, mostGzip>>30)
	}
	format, err := Detect(data[:min(len(data), detectBytes)])
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	h, err := Decode(format, data)
	if err != nil {
		return nil, "", fmt.Errorf("%s %w", path, err)
	}
	return h, format, nil
}

func beginning(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start := make([]byte, detectBytes)
	n, err := io.ReadFull(f, start)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return start[:n], err
}

// Decode reads a whole history of the format.
func Decode(format Format, data []byte) (*history.History, error) {
	var events []history.Event
	var warnings []string
	var err error
	switch format {
	case Ordeal:
		events, warnings, err = history.Decode(bytes.NewReader(data))
	case EDN, EDNLines:
		events, warnings, err = decodeEDN(data)
	case JepsenLog:
		events, warnings, err = decodeLog(data)
	default:
		return nil, fmt.Errorf("format %q does not exist: one of %s, %s, %s, %s expected", format, Ordeal, EDN, EDNLines, JepsenLog)
	}
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		warnings = append(warnings, "the history holds no operation")
	}
	h, err := history.Join(events)
	if err != nil {
		return nil, err
	}
	h.Warnings = append(h.Warnings, warnings...)
	return h, nil
}
