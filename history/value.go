package history

import "strconv"

// Kind is the type of a Value.
type Kind uint8

const (
	KindNil Kind = iota
	KindBool
	KindInt
	KindString
	KindList
)

// String is the kind's name as error messages use it.
func (k Kind) String() string {
	switch k {
	case KindNil:
		return "nil"
	case KindBool:
		return "bool"
	case KindInt:
		return "integer"
	case KindString:
		return "string"
	case KindList:
		return "list"
	}
	return "kind " + strconv.Itoa(int(k))
}

// Value is the argument or the answer of an operation: nil, a bool, a 64-bit integer, a string of any bytes, or a list
// of values. The zero Value is nil. Values are immutable. Two values are compared with Equal; == does not look into lists.
type Value struct {
	kind Kind
	num  int64 // integers; 1 for true
	str  string
	list *[]Value // behind a pointer: lists are rare, and it keeps a Value at 40 bytes
}

// Nil is the value of what is absent.
var Nil Value

// Bool is a truth value.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, num: 1}
	}
	return Value{kind: KindBool}
}

// Int is an integer.
func Int(i int64) Value { return Value{kind: KindInt, num: i} }

// String is a string of any bytes; it need not be UTF-8.
func String(s string) Value { return Value{kind: KindString, str: s} }

// List is a list; it keeps the slice, which must not change afterwards.
func List(vs ...Value) Value {
	if vs == nil {
		vs = []Value{}
	}
	return Value{kind: KindList, list: &vs}
}

// Kind tells which accessor fits.
func (v Value) Kind() Kind { return v.kind }

// IsNil tells whether the value is nil.
func (v Value) IsNil() bool { return v.kind == KindNil }

// AsBool is the truth value; ok is false for a value of another kind.
func (v Value) AsBool() (b, ok bool) { return v.num != 0, v.kind == KindBool }

// AsInt is the integer; ok is false for a value of another kind.
func (v Value) AsInt() (i int64, ok bool) {
	if v.kind != KindInt {
		return 0, false
	}
	return v.num, true
}

// AsString is the string; ok is false for a value of another kind.
func (v Value) AsString() (s string, ok bool) { return v.str, v.kind == KindString }

// AsList is the list, not to be changed; ok is false for a value of another kind.
func (v Value) AsList() (vs []Value, ok bool) {
	if v.kind != KindList {
		return nil, false
	}
	return *v.list, true
}

// AsPair is the two elements of a list of two, the argument of a compare-and-set; ok is false for anything else.
func (v Value) AsPair() (first, second Value, ok bool) {
	if v.kind != KindList || len(*v.list) != 2 {
		return Nil, Nil, false
	}
	return (*v.list)[0], (*v.list)[1], true
}

// Equal tells whether two values are the same. Values of different kinds never are.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.num != w.num || v.str != w.str {
		return false
	}
	if v.kind != KindList || v.list == w.list {
		return true
	}
	a, b := *v.list, *w.list
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// String is the value for people: 42, "abc", [1 2], nil. Strings are quoted as in Go.
func (v Value) String() string { return string(v.appendText(nil)) }

func (v Value) appendText(b []byte) []byte {
	switch v.kind {
	case KindNil:
		return append(b, "nil"...)
	case KindBool:
		return strconv.AppendBool(b, v.num != 0)
	case KindInt:
		return strconv.AppendInt(b, v.num, 10)
	case KindString:
		return strconv.AppendQuote(b, v.str)
	}
	b = append(b, '[')
	for i, e := range *v.list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = e.appendText(b)
	}
	return append(b, ']')
}
