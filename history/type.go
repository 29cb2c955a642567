package history

import "fmt"

var typeNames = [...]string{Invoke: "invoke", OK: "ok", Fail: "fail", Info: "info"}

// String is the type's name in files: invoke, ok, fail, info.
func (t Type) String() string {
	if t < Invoke || t > Info {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return typeNames[t]
}

// MarshalText implements encoding.TextMarshaler.
func (t Type) MarshalText() ([]byte, error) {
	if t < Invoke || t > Info {
		return nil, fmt.Errorf("event type %d does not exist", uint8(t))
	}
	return []byte(typeNames[t]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Type) UnmarshalText(text []byte) error {
	got, ok := typeOf(text)
	if !ok {
		return fmt.Errorf("event type %q does not exist: one of invoke, ok, fail, info expected", text)
	}
	*t = got
	return nil
}

func typeOf(text []byte) (Type, bool) {
	switch string(text) {
	case "invoke":
		return Invoke, true
	case "ok":
		return OK, true
	case "fail":
		return Fail, true
	case "info":
		return Info, true
	}
	return 0, false
}
