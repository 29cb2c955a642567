package checker

import (
	"hash/maphash"

	"github.com/ordeal-dev/ordeal/history"
)

// interner numbers values so that equal ones have equal numbers. Nil is 0.
type interner struct {
	dense   []uint32 // small integers: the number, 0 where there is none
	ints    map[int64]uint32
	strings map[string]uint32
	others  map[uint64][]uint32 // bools and lists, by a hash: lists may be long
	values  []history.Value
}

func newInterner() *interner {
	return &interner{
		ints: make(map[int64]uint32), strings: make(map[string]uint32), others: make(map[uint64][]uint32),
		values: []history.Value{history.Nil},
	}
}

func (in *interner) number(v history.Value) uint32 {
	switch v.Kind() {
	case history.KindNil:
		return 0
	case history.KindInt:
		i, _ := v.AsInt()
		if i >= 0 && i < int64(4*len(in.values)+smallInts) {
			return in.small(i, v)
		}
		return numberIn(in, in.ints, i, v)
	case history.KindString:
		s, _ := v.AsString()
		return numberIn(in, in.strings, s, v)
	}
	hash := hashValue(v)
	for _, n := range in.others[hash] {
		if in.values[n].Equal(v) {
			return n
		}
	}
	n := uint32(len(in.values))
	in.others[hash] = append(in.others[hash], n)
	in.values = append(in.values, v)
	return n
}

// hashValue is the same for equal values.
func hashValue(v history.Value) uint64 {
	h := mix(uint64(v.Kind()))
	switch v.Kind() {
	case history.KindBool:
		if b, _ := v.AsBool(); b {
			h++
		}
	case history.KindInt:
		i, _ := v.AsInt()
		h = mix(h ^ uint64(i))
	case history.KindString:
		s, _ := v.AsString()
		h = mix(h ^ maphash.String(stringSeed, s))
	case history.KindList:
		list, _ := v.AsList()
		for _, e := range list {
			h = mix(h ^ hashValue(e))
		}
	}
	return h
}

var stringSeed = maphash.MakeSeed()

func numberIn[K comparable](in *interner, m map[K]uint32, key K, v history.Value) uint32 {
	n, ok := m[key]
	if !ok {
		n = uint32(len(in.values))
		m[key] = n
		in.values = append(in.values, v)
	}
	return n
}

// smallInts is how many integers from 0 on have a place of their own at least, without a map; with more values come more.
const smallInts = 1024

func (in *interner) small(i int64, v history.Value) uint32 {
	if i >= int64(len(in.dense)) {
		if n, ok := in.ints[i]; ok { // from when it was not small yet
			return n
		}
		in.dense = append(in.dense, make([]uint32, max(int(i)+1, 2*len(in.dense), 64)-len(in.dense))...)
	} else if n := in.dense[i]; n != 0 {
		return n
	}
	n, ok := in.ints[i]
	if !ok {
		n = uint32(len(in.values))
		in.values = append(in.values, v)
	}
	in.dense[i] = n
	return n
}
