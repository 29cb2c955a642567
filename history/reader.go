package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// longestHeader is more than any version's first line takes, in bytes.
const longestHeader = 4096

// maxLine bounds the memory a line may take, in bytes.
const maxLine = 64 << 20

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Reader reads a history file event by event, plain or sealed, and checks that it is one: see Check.
type Reader struct {
	name     string
	input    *bufio.Reader
	zstd     *zstd.Decoder
	file     *os.File
	line     int // number of the last line read
	partial  bytes.Buffer
	parser   parser
	order    Check
	limits   Limits
	warnings []string
	err      error // sticky
}

// Open reads the history at path. A path that does not exist stands for its sealed form.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) && !strings.HasSuffix(path, SealedSuffix) {
		if sealed, sealedErr := os.Open(path + SealedSuffix); sealedErr == nil {
			f, err = sealed, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open a history: %w", err)
	}
	r, err := newReader(f, f.Name())
	if err != nil {
		f.Close()
		return nil, err
	}
	r.file = f
	return r, nil
}

// Limit bounds what follows.
func (r *Reader) Limit(l Limits) { r.limits, r.parser.limits = l, l }

// NewReader reads a history from any input, plain or compressed.
func NewReader(input io.Reader) (*Reader, error) { return newReader(input, "history") }

func newReader(input io.Reader, name string) (*Reader, error) {
	r := &Reader{name: name, input: bufio.NewReaderSize(input, 256<<10)}
	r.parser.names = &names{}
	if magic, _ := r.input.Peek(len(zstdMagic)); bytes.Equal(magic, zstdMagic) {
		z, err := zstd.NewReader(r.input, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		r.zstd = z
		r.input = bufio.NewReaderSize(z, 256<<10)
	}
	if err := r.header(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) header() error {
	line, whole, err := r.readLine()
	if err == io.EOF {
		return fmt.Errorf("%s is empty: the run ended before its history began; run it again", r.name)
	}
	if err != nil {
		return err
	}
	var h header
	if len(line) > longestHeader || json.Unmarshal(line, &h) != nil || h.Format != formatName {
		if !whole {
			return fmt.Errorf("%s: the first line breaks off: the run ended before its history began; run it again", r.name)
		}
		return fmt.Errorf("%s line 1: not a history of ordeal: the first line must be %s", r.name, strings.TrimSpace(headerLine()))
	}
	if h.Version != formatVersion {
		return fmt.Errorf("%s line 1: version %d of the format; this program reads version %d: use the version of ordeal that wrote it",
			r.name, h.Version, formatVersion)
	}
	return nil
}

// readLine is the next line without its newline; whole is false when the newline is missing. The bytes are valid until
// the next call.
func (r *Reader) readLine() (line []byte, whole bool, err error) {
	r.partial.Reset()
	for {
		part, err := r.input.ReadSlice('\n')
		if err == nil && r.partial.Len() == 0 {
			r.line++
			return part[:len(part)-1], true, nil
		}
		r.partial.Write(part)
		switch {
		case err == bufio.ErrBufferFull && r.partial.Len() <= maxLine:
			if stopped := r.limits.Take(int64(r.partial.Len())); stopped != nil {
				return nil, false, stopped
			}
			continue
		case err == bufio.ErrBufferFull:
			return nil, false, fmt.Errorf("%s line %d: longer than %d MiB; this is no history", r.name, r.line+1, maxLine>>20)
		case err == io.EOF && r.partial.Len() == 0:
			return nil, false, io.EOF
		case r.zstd != nil && errors.Is(err, io.ErrUnexpectedEOF):
			return nil, false, r.cutOff()
		case err != nil && err != io.EOF:
			return nil, false, fmt.Errorf("%s after line %d: %w; the file is damaged: restore it from a copy", r.name, r.line, err)
		}
		r.line++
		b := r.partial.Bytes()
		if err == nil {
			return b[:len(b)-1], true, nil
		}
		return b, false, nil
	}
}

// cutOff is the error of a compressed file without its end.
func (r *Reader) cutOff() error {
	if r.line == 0 {
		return fmt.Errorf("%s is cut off: the compressed file has no end, and nothing of it can be read; copy it anew", r.name)
	}
	return fmt.Errorf("%s is cut off after line %d: the compressed file has no end; copy it anew, or check what is left of it: `zstd -dc %s` prints that",
		r.name, r.line, r.name)
}

// Next is the next event, or io.EOF after the last. A last line that breaks off, as a killed run leaves it, is a warning;
// any other line that does not fit is an error that names it.
func (r *Reader) Next() (Event, error) {
	if r.err != nil {
		return Event{}, r.err
	}
	e, err := r.next()
	r.err = err
	return e, err
}

func (r *Reader) next() (Event, error) {
	line, whole, err := r.readLine()
	if err != nil {
		return Event{}, err
	}
	r.parser.data, r.parser.pos = line, 0
	e, err := r.parser.event()
	if err != nil && !whole && r.parser.stopped == nil {
		r.warnings = append(r.warnings, fmt.Sprintf("%s line %d breaks off and was left out: the run was killed while it wrote", r.name, r.line))
		return Event{}, io.EOF
	}
	if err != nil && r.parser.stopped != nil {
		return Event{}, r.parser.stopped
	}
	if err != nil {
		return Event{}, fmt.Errorf("%s line %d %w; correct or remove the line", r.name, r.line, err)
	}
	if err := r.order.Add(&e); err != nil {
		return Event{}, fmt.Errorf("%s line %d: %w", r.name, r.line, err)
	}
	return e, nil
}

// Warnings tells what was tolerated so far.
func (r *Reader) Warnings() []string { return r.warnings }

// Close frees what Open took.
func (r *Reader) Close() error {
	if r.zstd != nil {
		r.zstd.Close()
	}
	if r.file != nil {
		return r.file.Close()
	}
	return nil
}

// Read is the whole history at path, with warnings about what was tolerated.
func Read(path string) (events []Event, warnings []string, err error) {
	r, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	return r.all()
}

// Decode is the whole history of an input, with warnings about what was tolerated.
func Decode(input io.Reader) (events []Event, warnings []string, err error) {
	r, err := NewReader(input)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	return r.all()
}

func (r *Reader) all() ([]Event, []string, error) {
	var events []Event
	for {
		e, err := r.Next()
		if err == io.EOF {
			return events, r.Warnings(), nil
		}
		if err != nil {
			return nil, nil, err
		}
		events = append(events, e)
	}
}
