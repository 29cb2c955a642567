package history

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds the nesting of lists, so that a hostile file cannot exhaust the stack.
const maxDepth = 64

// bytesKey names the one field of the object that stands for a string JSON cannot hold.
const bytesKey = "base64"

// AppendJSON appends the value as JSON: null, true, 42, "text", [..]; a string that is not UTF-8 is {"base64":"..."}.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.kind {
	case KindNil:
		return append(b, "null"...)
	case KindBool:
		return strconv.AppendBool(b, v.num != 0)
	case KindInt:
		return strconv.AppendInt(b, v.num, 10)
	case KindString:
		switch {
		case isPlain(v.str):
			return appendPlain(b, v.str)
		case utf8.ValidString(v.str):
			return appendString(b, v.str)
		}
		return appendBytes(b, v.str)
	}
	b = append(b, '[')
	for i, e := range *v.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.AppendJSON(b)
	}
	return append(b, ']')
}

func appendBytes(b []byte, s string) []byte {
	b = append(b, `{"`+bytesKey+`":"`...)
	b = base64.StdEncoding.AppendEncode(b, []byte(s))
	return append(b, `"}`...)
}

// isPlain tells whether s stands in JSON as it is. Nearly all strings of a history do.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func appendPlain(b []byte, s string) []byte { return append(append(append(b, '"'), s...), '"') }

// appendString appends s, which must be UTF-8, as a JSON string.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendText appends a string that people read and that need not survive byte by byte: broken UTF-8 becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	if isPlain(s) {
		return appendPlain(b, s)
	}
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return appendString(b, s)
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (v *Value) UnmarshalJSON(data []byte) error {
	p := parser{data: data}
	got, err := p.value(0)
	if err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	*v = got
	return nil
}
