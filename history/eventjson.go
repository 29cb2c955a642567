package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// AppendJSON appends the event as one line of a history file, without the newline. Fields that hold nothing are left out.
func (e *Event) AppendJSON(b []byte) []byte { return e.appendRest(e.appendPlace(b)) }

// appendPlace appends the beginning of the line: where the event stands in its history.
func (e *Event) appendPlace(b []byte) []byte {
	b = append(b, `{"i":`...)
	b = strconv.AppendInt(b, int64(e.Index), 10)
	b = append(b, `,"t":`...)
	return strconv.AppendInt(b, int64(e.Time), 10)
}

// appendRest appends all of the line that does not depend on where it stands.
func (e *Event) appendRest(b []byte) []byte {
	b = append(b, `,"p":`...)
	b = strconv.AppendInt(b, int64(e.Process), 10)
	b = append(b, `,"type":"`...)
	b = append(b, e.Type.String()...)
	b = append(b, '"')
	b = appendField(b, `,"f":`, e.F)
	b = appendKey(b, e.Key)
	if !e.Input.IsNil() {
		b = e.Input.AppendJSON(append(b, `,"in":`...))
	}
	if e.Late != 0 {
		b = strconv.AppendInt(append(b, `,"late":`...), int64(e.Late), 10)
	}
	if !e.Output.IsNil() {
		b = e.Output.AppendJSON(append(b, `,"out":`...))
	}
	b = appendField(b, `,"node":`, e.Node)
	if e.LogIndex != 0 {
		b = strconv.AppendUint(append(b, `,"log":`...), e.LogIndex, 10)
	}
	b = appendField(b, `,"error":`, e.Error)
	if len(e.Detail) > 0 {
		b = appendRaw(append(b, `,"detail":`...), e.Detail)
	}
	return append(b, '}')
}

func appendField(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(append(b, name...), text)
}

// appendKey keeps keys byte by byte: two keys that differ must not become one.
func appendKey(b []byte, key string) []byte {
	if key == "" {
		return b
	}
	return String(key).AppendJSON(append(b, `,"key":`...))
}

// appendRaw appends JSON on one line. What is no JSON is kept as a string.
func appendRaw(b []byte, raw json.RawMessage) []byte {
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err != nil {
		return appendText(b, string(raw))
	}
	return append(b, line.Bytes()...)
}

// MarshalJSON implements json.Marshaler with the line of a history file.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (e *Event) UnmarshalJSON(data []byte) error {
	p := parser{data: data}
	got, err := p.event()
	if err != nil {
		return err
	}
	*e = got
	return nil
}

// Fields seen, so that a field that comes twice or a needed one that never comes is an error.
const (
	fieldIndex = 1 << iota
	fieldTime
	fieldProcess
	fieldType
	fieldF
	fieldKey
	fieldIn
	fieldOut
	fieldNode
	fieldLog
	fieldError
	fieldDetail
	fieldLate

	fieldsNeeded = fieldIndex | fieldTime | fieldProcess | fieldType
)

func (p *parser) event() (Event, error) {
	var e Event
	if err := p.expect('{'); err != nil {
		return e, err
	}
	seen := 0
	for p.peek() != '}' {
		if seen != 0 {
			if err := p.expect(','); err != nil {
				return e, err
			}
		}
		if err := p.field(&e, &seen); err != nil {
			return e, err
		}
	}
	p.pos++
	if err := p.end(); err != nil {
		return e, err
	}
	if seen&fieldsNeeded != fieldsNeeded {
		return e, p.errorf(`the fields "i", "t", "p" and "type" are needed`)
	}
	return e, nil
}

func (p *parser) field(e *Event, seen *int) error {
	if p.peek() != '"' {
		return p.errorf("a field name expected, found %s", p.found())
	}
	at := p.pos
	name, err := p.str()
	if err != nil {
		return err
	}
	bit := fieldBit(name)
	if bit == 0 {
		p.pos = at
		return p.errorf("unknown field %q; a newer version of ordeal may have written it", name)
	}
	if *seen&bit != 0 {
		p.pos = at
		return p.errorf("field %q comes twice", name)
	}
	*seen |= bit
	if err := p.expect(':'); err != nil {
		return err
	}
	return p.fill(e, bit)
}

func fieldBit(name []byte) int {
	switch string(name) {
	case "i":
		return fieldIndex
	case "t":
		return fieldTime
	case "p":
		return fieldProcess
	case "type":
		return fieldType
	case "f":
		return fieldF
	case "key":
		return fieldKey
	case "in":
		return fieldIn
	case "out":
		return fieldOut
	case "node":
		return fieldNode
	case "log":
		return fieldLog
	case "error":
		return fieldError
	case "detail":
		return fieldDetail
	case "late":
		return fieldLate
	}
	return 0
}

func (p *parser) fill(e *Event, bit int) (err error) {
	switch bit {
	case fieldIndex:
		e.Index, err = p.number(0)
	case fieldTime:
		var t int
		t, err = p.number(0)
		e.Time = time.Duration(t)
	case fieldProcess:
		e.Process, err = p.number(NemesisProcess)
	case fieldType:
		err = p.eventType(e)
	case fieldF:
		e.F, err = p.text()
	case fieldKey:
		e.Key, err = p.key()
	case fieldIn:
		e.Input, err = p.value(0)
	case fieldOut:
		e.Output, err = p.value(0)
	case fieldNode:
		e.Node, err = p.text()
	case fieldLog:
		var n int
		n, err = p.number(0)
		e.LogIndex = uint64(n)
	case fieldError:
		e.Error, err = p.text()
	case fieldDetail:
		e.Detail, err = p.raw()
	case fieldLate:
		var t int
		t, err = p.number(0)
		e.Late = time.Duration(t)
	}
	return err
}

// number is an integer of at least least, and below the largest one, which stands for "never" in times.
func (p *parser) number(least int64) (int, error) {
	n, err := p.integer()
	if err != nil {
		return 0, err
	}
	if n < least || n == math.MaxInt64 {
		return 0, p.errorf("%d is out of range", n)
	}
	return int(n), nil
}

func (p *parser) eventType(e *Event) error {
	if p.peek() != '"' {
		return p.errorf("a string expected, found %s", p.found())
	}
	b, err := p.str()
	if err != nil {
		return err
	}
	var ok bool
	if e.Type, ok = typeOf(b); !ok {
		return p.errorf("type %q does not exist: one of invoke, ok, fail, info expected", b)
	}
	return nil
}

func (p *parser) text() (string, error) {
	if p.peek() != '"' {
		return "", p.errorf("a string expected, found %s", p.found())
	}
	b, err := p.str()
	return p.names.intern(b), err
}

func (p *parser) key() (string, error) {
	if p.peek() == '"' {
		return p.text()
	}
	v, err := p.value(0)
	if err != nil {
		return "", err
	}
	s, ok := v.AsString()
	if !ok {
		return "", p.errorf("the key must be a string, not %s", v.Kind())
	}
	return p.names.intern([]byte(s)), nil
}

// header is the first line of a history file.
type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

const (
	formatName    = "ordeal-history"
	formatVersion = 1
)

func headerLine() string {
	return fmt.Sprintf("{\"format\":%q,\"version\":%d}\n", formatName, formatVersion)
}
