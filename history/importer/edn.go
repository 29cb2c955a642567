package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ordeal-dev/ordeal/history"
)

// ednKind is the type of a form of EDN (https://github.com/edn-format/edn).
type ednKind uint8

const (
	ednNil ednKind = iota
	ednBool
	ednInt
	ednText   // what has no kind of its own: fractions, symbols, characters; text is its source
	ednString // text is its content
	ednKeyword
	ednVector // vectors, lists and sets
	ednMap    // items: key, value, key, value, ...
)

// form is one piece of EDN.
type form struct {
	kind  ednKind
	text  string
	num   int64
	items []form
	line  int
}

// maxEDNDepth bounds nesting, so that a hostile file cannot exhaust the stack.
const maxEDNDepth = 64

// ednReader reads forms from data.
type ednReader struct {
	data   []byte
	pos    int
	line   int
	forms  int
	limits history.Limits
	inLine bool // data is part of a line, of which who reads it tells
}

func newEDNReader(data []byte) *ednReader { return &ednReader{data: data, line: 1} }

// errorf is what is wrong at the position, with the remedy.
func (r *ednReader) errorf(format string, args ...any) error {
	return r.errorAt(r.line, format, args...)
}

func (r *ednReader) errorAt(line int, format string, args ...any) error {
	if r.inLine {
		return fmt.Errorf(format, args...)
	}
	return fmt.Errorf("line %d: %s; correct the line, or restore the file from a copy", line, fmt.Sprintf(format, args...))
}

// errClose is what next returns at a closing bracket.
var errClose = errors.New("closing bracket")

// space skips white space, commas, comments and discarded forms.
func (r *ednReader) space(depth int) error {
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; {
		case c == '\n':
			r.line++
			r.pos++
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == ',':
			r.pos++
		case c == ';':
			r.comment()
		case c == '#' && r.at(1) == '_':
			r.pos += 2
			if _, err := r.must(depth + 1); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (r *ednReader) comment() {
	end := bytes.IndexByte(r.data[r.pos:], '\n')
	if end < 0 {
		end = len(r.data) - r.pos
	}
	r.pos += end
}

// at is the byte i after the position; 0 after the end.
func (r *ednReader) at(i int) byte {
	if r.pos+i >= len(r.data) {
		return 0
	}
	return r.data[r.pos+i]
}

// next is the next form; io.EOF at the end, errClose before a closing bracket.
func (r *ednReader) next(depth int) (form, error) {
	if depth > maxEDNDepth {
		return form{}, r.errorf("nested deeper than %d", maxEDNDepth)
	}
	if err := r.space(depth); err != nil {
		return form{}, err
	}
	if r.pos >= len(r.data) {
		return form{}, io.EOF
	}
	if r.forms++; r.forms%1024 == 0 {
		if err := r.limits.Take(0); err != nil {
			return form{}, err
		}
	}
	switch c := r.data[r.pos]; c {
	case ')', ']', '}':
		return form{}, errClose
	case '[':
		return r.collection(ednVector, ']', 1, depth)
	case '(':
		return r.collection(ednVector, ')', 1, depth)
	case '{':
		return r.mapping(depth)
	case '"':
		return r.str()
	case '#':
		return r.tagged(depth)
	case '\\':
		return r.character(), nil
	case '^': // metadata: the form after it counts
		r.pos++
		if _, err := r.must(depth + 1); err != nil {
			return form{}, err
		}
		return r.must(depth + 1)
	}
	return r.atom()
}

// must is next where a form has to follow.
func (r *ednReader) must(depth int) (form, error) {
	f, err := r.next(depth)
	switch err {
	case io.EOF:
		return f, r.errorf("the file ends in the middle of a form; a closing bracket is missing")
	case errClose:
		return f, r.errorf("%q where a form is expected", r.data[r.pos])
	}
	return f, err
}

func (r *ednReader) collection(kind ednKind, closing byte, open, depth int) (form, error) {
	f := form{kind: kind, line: r.line}
	r.pos += open
	for {
		item, err := r.next(depth + 1)
		switch {
		case err == errClose && r.data[r.pos] == closing:
			r.pos++
			return f, nil
		case err == errClose:
			return f, r.errorf("%q closes what line %d opened and %q should close", r.data[r.pos], f.line, closing)
		case err == io.EOF:
			return f, r.errorf("the file ends before the %q that closes what line %d opened", closing, f.line)
		case err != nil:
			return f, err
		}
		if f.items, err = history.Grown(r.limits, f.items); err != nil {
			return f, err
		}
		f.items = append(f.items, item)
	}
}

func (r *ednReader) mapping(depth int) (form, error) {
	f, err := r.collection(ednMap, '}', 1, depth)
	if err == nil && len(f.items)%2 != 0 {
		return f, r.errorAt(f.line, "a map with a key that has no value")
	}
	return f, err
}

func (r *ednReader) tagged(depth int) (form, error) {
	switch r.at(1) {
	case '{':
		return r.collection(ednVector, '}', 2, depth)
	case '[':
		return r.collection(ednVector, ']', 2, depth)
	case '"': // a regular expression
		r.pos++
		return r.str()
	case '#': // ##Inf
		r.pos++
		return r.atom()
	}
	r.pos++
	if tag := r.token(); tag == "" {
		return form{}, r.errorf("# without a tag")
	}
	return r.must(depth + 1) // #jepsen.history.Op{...}, #inst "...": the form stands for itself
}

func (r *ednReader) str() (form, error) {
	f := form{kind: ednString, line: r.line}
	var b strings.Builder
	for r.pos++; r.pos < len(r.data); r.pos++ {
		if r.pos%(1<<16) == 0 && r.limits.Stopped() != nil {
			return f, r.limits.Stopped()
		}
		switch c := r.data[r.pos]; c {
		case '"':
			r.pos++
			f.text = b.String()
			return f, nil
		case '\\':
			if err := r.escape(&b); err != nil {
				return f, err
			}
		case '\n':
			r.line++
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return f, r.errorf("the file ends in the string that line %d began", f.line)
}

// escape reads an escape and stays on its last byte.
func (r *ednReader) escape(b *strings.Builder) error {
	r.pos++
	switch c := r.at(0); c {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case '"', '\\':
		b.WriteByte(c)
	case 'u':
		if r.pos+4 >= len(r.data) {
			return r.errorf("four hexadecimal digits expected after \\u")
		}
		n, err := strconv.ParseUint(string(r.data[r.pos+1:r.pos+5]), 16, 16)
		if err != nil {
			return r.errorf("four hexadecimal digits expected after \\u")
		}
		b.WriteRune(rune(n))
		r.pos += 4
	default:
		return r.errorf("unknown escape \\%c in a string", c)
	}
	return nil
}

func (r *ednReader) character() form {
	start := r.pos
	r.pos++
	_, size := utf8.DecodeRune(r.data[r.pos:])
	r.pos += size
	r.token()
	return form{kind: ednText, text: string(r.data[start:r.pos]), line: r.line}
}

// token takes the bytes up to the next delimiter.
func (r *ednReader) token() string {
	start := r.pos
	for r.pos < len(r.data) && !strings.ContainsRune(" \t\r\n\f,;\"()[]{}\\^", rune(r.data[r.pos])) {
		r.pos++
	}
	return string(r.data[start:r.pos])
}

func (r *ednReader) atom() (form, error) {
	text := r.token()
	f := form{kind: ednText, text: text, line: r.line}
	switch {
	case text == "":
		return f, r.errorf("unexpected %q", rune(r.data[r.pos]))
	case text == "nil":
		f.kind = ednNil
	case text == "true", text == "false":
		f.kind = ednBool
		f.num = int64(len("false") - len(text))
	case text[0] == ':':
		f.kind = ednKeyword
	default:
		n, err := strconv.ParseInt(strings.TrimSuffix(text, "N"), 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			return f, r.errorf("the number %.40s does not fit in 64 bits", text)
		}
		if err == nil {
			f.kind, f.num = ednInt, n
		}
	}
	return f, nil
}

// get is the value of a key of a map.
func (f form) get(key string) (form, bool) {
	for i := 0; i+1 < len(f.items); i += 2 {
		if f.items[i].kind == ednKeyword && f.items[i].text == key {
			return f.items[i+1], true
		}
	}
	return form{}, false
}

// value is the form as a history's value. Keywords and what has no kind of its own become strings, maps lists of pairs.
func (f form) value() history.Value {
	switch f.kind {
	case ednNil:
		return history.Nil
	case ednBool:
		return history.Bool(f.num != 0)
	case ednInt:
		return history.Int(f.num)
	case ednVector, ednMap:
		vs := make([]history.Value, len(f.items))
		for i, item := range f.items {
			vs[i] = item.value()
		}
		if f.kind == ednVector {
			return history.List(vs...)
		}
		pairs := make([]history.Value, len(vs)/2)
		for i := range pairs {
			pairs[i] = history.List(vs[2*i], vs[2*i+1])
		}
		return history.List(pairs...)
	}
	return history.String(f.text)
}
