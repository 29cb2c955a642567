package history

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// parser reads the JSON of one line. It is written by hand because a history of ten million events is read in seconds
// with it and in minutes with encoding/json.
type parser struct {
	data    []byte
	pos     int
	names   *names // shared strings; may be nil
	scratch []byte
	limits  Limits
	stopped error // by the limits
	values  int   // read so far
}

// names keeps one copy of each short string that comes again and again: keys, nodes, names of operations.
type names struct{ seen map[string]string }

// maxNames bounds the memory of names when every line brings a new one.
const maxNames = 1 << 20

func (n *names) intern(b []byte) string {
	if n == nil || len(b) > 256 {
		return string(b)
	}
	if s, ok := n.seen[string(b)]; ok {
		return s
	}
	s := string(b)
	if n.seen == nil {
		n.seen = make(map[string]string)
	}
	if len(n.seen) < maxNames {
		n.seen[s] = s
	}
	return s
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("column %d: %s", p.pos+1, fmt.Sprintf(format, args...))
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// peek is the next byte that is no space, or 0 at the end.
func (p *parser) peek() byte {
	p.space()
	if p.pos >= len(p.data) {
		return 0
	}
	return p.data[p.pos]
}

func (p *parser) expect(c byte) error {
	if got := p.peek(); got != c || p.pos >= len(p.data) {
		return p.errorf("%q expected, found %s", c, p.found())
	}
	p.pos++
	return nil
}

func (p *parser) found() string {
	if p.pos >= len(p.data) {
		return "the end of the line"
	}
	return fmt.Sprintf("%q", rune(p.data[p.pos]))
}

func (p *parser) end() error {
	if p.space(); p.pos < len(p.data) {
		return p.errorf("%s after the end of the value", p.found())
	}
	return nil
}

func (p *parser) literal(word string) error {
	if len(p.data)-p.pos < len(word) || string(p.data[p.pos:p.pos+len(word)]) != word {
		return p.errorf("%s expected", word)
	}
	p.pos += len(word)
	return nil
}

func (p *parser) value(depth int) (Value, error) {
	if depth > maxDepth {
		return Nil, p.errorf("lists nested deeper than %d", maxDepth)
	}
	if p.values++; p.values%manyElements == 0 { // one line may hold more than the time allows to read
		if p.stopped = p.limits.Take(0); p.stopped != nil {
			return Nil, p.stopped
		}
	}
	switch c := p.peek(); {
	case c == 'n':
		return Nil, p.literal("null")
	case c == 't':
		return Bool(true), p.literal("true")
	case c == 'f':
		return Bool(false), p.literal("false")
	case c == '"':
		b, err := p.str()
		return String(string(b)), err
	case c == '[':
		return p.list(depth)
	case c == '{':
		return p.base64()
	case c == '-' || c >= '0' && c <= '9':
		i, err := p.integer()
		return Int(i), err
	}
	return Nil, p.errorf("a value expected (null, true, false, integer, string or list), found %s", p.found())
}

func (p *parser) list(depth int) (Value, error) {
	p.pos++
	var few [4]Value
	vs := few[:0]
	if p.peek() == ']' {
		p.pos++
		return List(), nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return Nil, err
		}
		if vs, p.stopped = Grown(p.limits, vs); p.stopped != nil {
			return Nil, p.stopped
		}
		vs = append(vs, v)
		if p.peek() == ',' {
			p.pos++
			continue
		}
		if err := p.expect(']'); err != nil {
			return Nil, err
		}
		if len(vs) > manyElements {
			return List(vs...), nil // as it is: a copy is as much again
		}
		return List(append(make([]Value, 0, len(vs)), vs...)...), nil
	}
}

func (p *parser) base64() (Value, error) {
	p.pos++
	if p.peek() != '"' {
		return Nil, p.errorf("an object here must be {%q:\"...\"}", bytesKey)
	}
	key, err := p.str()
	if err != nil {
		return Nil, err
	}
	if string(key) != bytesKey {
		return Nil, p.errorf("an object here must be {%q:\"...\"}, not {%q:...}", bytesKey, key)
	}
	if err := p.expect(':'); err != nil {
		return Nil, err
	}
	if p.peek() != '"' {
		return Nil, p.errorf("a string expected, found %s", p.found())
	}
	text, err := p.str()
	if err != nil {
		return Nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return Nil, p.errorf("not base64: %v", err)
	}
	return String(string(raw)), p.expect('}')
}

func (p *parser) integer() (int64, error) {
	p.space()
	start, neg := p.pos, false
	if p.pos < len(p.data) && p.data[p.pos] == '-' {
		neg = true
		p.pos++
	}
	var n uint64
	digits := 0
	for ; p.pos < len(p.data) && p.data[p.pos] >= '0' && p.data[p.pos] <= '9'; p.pos++ {
		if n > math.MaxUint64/10-1 {
			return 0, p.errorf("number beyond 64 bits")
		}
		n = n*10 + uint64(p.data[p.pos]-'0')
		digits++
	}
	switch {
	case digits == 0:
		return 0, p.errorf("digits expected, found %s", p.found())
	case digits > 1 && p.data[p.pos-digits] == '0':
		return 0, p.errorf("number with a leading zero")
	case p.pos < len(p.data) && (p.data[p.pos] == '.' || p.data[p.pos]|0x20 == 'e'):
		p.pos = start
		return 0, p.errorf("not an integer; write fractions as strings")
	case neg && n <= 1<<63:
		return -int64(n), nil
	case !neg && n < 1<<63:
		return int64(n), nil
	}
	return 0, p.errorf("number beyond 64 bits")
}

// str reads a string; the bytes are valid until the next call.
func (p *parser) str() ([]byte, error) {
	p.pos++ // the quote
	start := p.pos
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			b := p.data[start:p.pos]
			if !utf8.Valid(b) {
				return nil, p.errorf("string that is not UTF-8; write it as {%q:\"...\"}", bytesKey)
			}
			p.pos++
			return b, nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return nil, p.errorf("control character %#x in a string; write it as \\u%04x", c, c)
		default:
			p.pos++
		}
	}
	return nil, p.errorf("string without an end")
}

// escaped goes on with a string from its first backslash.
func (p *parser) escaped(start int) ([]byte, error) {
	b := append(p.scratch[:0], p.data[start:p.pos]...)
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			p.scratch = b
			if !utf8.Valid(b) {
				return nil, p.errorf("string that is not UTF-8; write it as {%q:\"...\"}", bytesKey)
			}
			return b, nil
		case c < ' ':
			return nil, p.errorf("control character %#x in a string; write it as \\u%04x", c, c)
		case c != '\\':
			b = append(b, c)
			p.pos++
		default:
			r, err := p.escape()
			if err != nil {
				return nil, err
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return nil, p.errorf("string without an end")
}

func (p *parser) escape() (rune, error) {
	if p.pos+1 >= len(p.data) {
		return 0, p.errorf("string without an end")
	}
	c := p.data[p.pos+1]
	p.pos += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return p.unicode()
	}
	return 0, p.errorf("unknown escape \\%c", c)
}

func (p *parser) unicode() (rune, error) {
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if p.pos+1 < len(p.data) && p.data[p.pos] == '\\' && p.data[p.pos+1] == 'u' {
		p.pos += 2
		low, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	return 0, p.errorf("half a surrogate pair")
}

func (p *parser) hex4() (rune, error) {
	if p.pos+4 > len(p.data) {
		return 0, p.errorf("four hexadecimal digits expected after \\u")
	}
	var r rune
	for _, c := range p.data[p.pos : p.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, p.errorf("four hexadecimal digits expected after \\u")
		}
	}
	p.pos += 4
	return r, nil
}

// raw reads any JSON value as it stands, for what this package does not look into.
func (p *parser) raw() (json.RawMessage, error) {
	p.space()
	d := json.NewDecoder(bytes.NewReader(p.data[p.pos:]))
	var m json.RawMessage
	if err := d.Decode(&m); err != nil {
		return nil, p.errorf("JSON value expected: %v", err)
	}
	p.pos += int(d.InputOffset())
	return m, nil
}
