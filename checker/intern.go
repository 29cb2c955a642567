package checker

import "github.com/ordeal-dev/ordeal/history"

// interner numbers values so that equal ones have equal numbers. Nil is 0.
type interner struct {
	ints    map[int64]uint32
	strings map[string]uint32
	others  map[string]uint32 // bools and lists, by their JSON
	values  []history.Value
}

func newInterner() *interner {
	return &interner{
		ints: make(map[int64]uint32), strings: make(map[string]uint32), others: make(map[string]uint32),
		values: []history.Value{history.Nil},
	}
}

func (in *interner) number(v history.Value) uint32 {
	switch v.Kind() {
	case history.KindNil:
		return 0
	case history.KindInt:
		i, _ := v.AsInt()
		return numberIn(in, in.ints, i, v)
	case history.KindString:
		s, _ := v.AsString()
		return numberIn(in, in.strings, s, v)
	}
	return numberIn(in, in.others, string(v.AppendJSON(nil)), v)
}

func numberIn[K comparable](in *interner, m map[K]uint32, key K, v history.Value) uint32 {
	n, ok := m[key]
	if !ok {
		n = uint32(len(in.values))
		m[key] = n
		in.values = append(in.values, v)
	}
	return n
}
