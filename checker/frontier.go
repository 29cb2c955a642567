package checker

import (
	"math/bits"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// The exact checker of any model, in memory that grows with the number of configurations open at one moment, not with
// the history.
//
// A configuration is a state of the object and which of the open operations have taken effect. The frontier is every
// configuration that fits what returned so far. It is advanced event by event: a call opens an operation; at a return,
// configurations in which the operation has not taken effect are led on by open operations until it has, and those where
// that cannot be are dropped (Lowe's just-in-time linearization). An empty frontier is a violation, found at the event at
// which it happened.
//
// Three things keep it small:
//
//   - A pure operation, one that changes no state that allows it, takes effect as soon as a state does: the
//     configuration in which it has can do all that the one in which it has not can. This holds for a read, not for a
//     write of the value that is there: that one may be needed later, to bring the value back.
//   - Of two configurations that differ in crashed operations only, one that used fewer of them can do all the other can.
//   - Crashed operations that are equal are used in the order of their calls.
//
// G. Lowe: Testing for linearizability, Concurrency and Computation 29 (2017).

// frontier holds configurations as rows of words: the state, a bit for each open slot, a bit for each crashed operation.
type frontier struct {
	m   machine
	b   *bounds
	ops []*history.Operation

	pure      []bool  // by operation
	slots     []int32 // by slot: the open operation, or noOperation
	slotOf    []int32 // by operation: its slot, or the number of the crashed operation
	free      []int32
	crashed   []int32 // the crashed operations called so far
	sameAs    []int32 // by crashed operation: the equal one called before it, or noOperation
	slotWords int
	stride    int

	rows  []uint64 // the frontier
	found []uint64 // the configurations of one return
	table configTable
	level [][]int32 // configurations of found to lead on, by the number of crashed operations they used
	row   []uint64
	held  int64 // bytes charged

	open    int // operations called and not returned, without crashed ones
	anchor  anchor
	lastPut map[uint64]int32 // of a register: by value, a put of it that returned
}

// anchor is a moment at which a register's history can be cut: no operation was open, and only one configuration was
// possible, with a value that a put had written. From there on, that put stands for all that was before.
type anchor struct {
	time time.Duration
	put  int32 // noOperation: there is none yet
	row  []uint64
}

// decideFrontier decides any model within the bounds. For an illegal object it returns operations that are illegal
// together: those called before the return at which the frontier was empty, as far back as it can tell. If that is not to the
// beginning, base is the number of the put that stands for all that was before; else noOperation.
func decideFrontier(b *bounds, mo *Model, ops []*history.Operation, m machine) (v Verdict, numbers []int32, base int32) {
	f := &frontier{m: m, b: b, ops: ops, lastPut: make(map[uint64]int32), anchor: anchor{put: noOperation}}
	defer func() { b.charge(-f.held) }()
	if !f.charge(int64(len(ops)) * 40) {
		return Unknown, nil, noOperation
	}
	events := f.events()
	f.prepare(mo, events)
	for _, e := range events {
		i := int(e >> 1)
		if e&1 == 0 {
			f.call(i)
			continue
		}
		if !f.ret(i) || len(f.rows) == 0 && b.ended() {
			return Unknown, nil, noOperation
		}
		if len(f.rows) == 0 {
			return Invalid, f.conflict(i), f.anchor.put
		}
		f.findAnchor(i)
	}
	if b.ended() {
		return Unknown, nil, noOperation
	}
	return Valid, nil, noOperation
}

// findAnchor looks for an anchor after the return of operation i.
func (f *frontier) findAnchor(i int) {
	register, ok := f.m.(*registerMachine)
	if !ok {
		return
	}
	if op := &register.ops[i]; op.kind == registerPut {
		f.lastPut[uint64(op.new)] = int32(i)
	}
	if f.open > 0 || len(f.rows) != f.stride {
		return
	}
	if put, ok := f.lastPut[f.rows[0]]; ok {
		f.anchor = anchor{time: f.ops[i].Return, put: put, row: append(f.anchor.row[:0], f.rows...)}
	}
}

// conflict is the operations called up to the return of operation i, from the last anchor.
func (f *frontier) conflict(i int) []int32 {
	var numbers []int32
	for n, op := range f.ops {
		if op.Call <= f.ops[i].Return && (f.anchor.put == noOperation || f.sinceAnchor(int32(n))) {
			numbers = append(numbers, int32(n))
		}
	}
	return numbers
}

func (f *frontier) sinceAnchor(n int32) bool {
	op := f.ops[n]
	if op.Call > f.anchor.time || n == f.anchor.put {
		return true
	}
	c := f.slotOf[n]
	return returned(op) == history.Forever && f.anchor.row[1+f.slotWords+int(c/64)]>>(c%64)&1 == 0
}

func (f *frontier) charge(bytes int64) bool {
	f.held += bytes
	return f.b.charge(bytes)
}

// events are the calls and returns in the order of time: 2*operation for a call, 2*operation+1 for a return. At the same
// time calls come first: the operations are concurrent. Crashed operations have no return.
func (f *frontier) events() []int64 {
	events := make([]int64, 0, 2*len(f.ops))
	for i, op := range f.ops {
		events = append(events, int64(i)<<1)
		if returned(op) != history.Forever {
			events = append(events, int64(i)<<1|1)
		}
	}
	slices.SortFunc(events, func(a, b int64) int {
		if c := compareTimes(f.timeOf(a), f.timeOf(b)); c != 0 {
			return c
		}
		if c := int(a&1) - int(b&1); c != 0 { // calls first
			return c
		}
		return int(a - b)
	})
	return events
}

func (f *frontier) timeOf(event int64) time.Duration {
	op := f.ops[event>>1]
	if event&1 == 0 {
		return op.Call
	}
	return op.Return
}

// prepare gives operations their slots' width, finds pure and equal ones, and sets the first configuration.
func (f *frontier) prepare(mo *Model, events []int64) {
	f.slotOf = make([]int32, len(f.ops))
	f.pure = make([]bool, len(f.ops))
	crashed, open, most := 0, 0, 0
	for _, e := range events {
		i := e >> 1
		switch {
		case returned(f.ops[i]) == history.Forever:
			crashed++
		case e&1 == 0:
			open++
			most = max(most, open)
		default:
			open--
		}
		f.pure[i] = mo.pureOperation(f.ops[i])
	}
	f.slotWords = (most + 63) / 64
	f.stride = 1 + f.slotWords + (crashed+63)/64
	f.row = make([]uint64, f.stride)
	f.rows = make([]uint64, f.stride)
	f.rows[0] = uint64(f.m.init())
	f.findSame(events)
}

func (f *frontier) findSame(events []int64) {
	last := make(map[string]int32)
	n := int32(0)
	for _, e := range events {
		op := f.ops[e>>1]
		if returned(op) != history.Forever {
			continue
		}
		key := op.F + "\x00" + valueID(op.Input)
		before, ok := last[key]
		if !ok {
			before = noOperation
		}
		f.sameAs = append(f.sameAs, before)
		last[key] = n
		n++
	}
}

func (f *frontier) call(i int) {
	if returned(f.ops[i]) == history.Forever {
		f.slotOf[i] = int32(len(f.crashed))
		f.crashed = append(f.crashed, int32(i))
		return
	}
	f.open++
	slot := int32(len(f.slots))
	if n := len(f.free); n > 0 {
		slot = f.free[n-1]
		f.free = f.free[:n-1]
		f.slots[slot] = int32(i)
	} else {
		f.slots = append(f.slots, int32(i))
	}
	f.slotOf[i] = slot
	if !f.pure[i] {
		return
	}
	for at := 0; at < len(f.rows); at += f.stride {
		f.commit(f.rows[at:at+f.stride], slot)
	}
}

// commit lets the pure operation in a slot take effect if the configuration's state allows it.
func (f *frontier) commit(row []uint64, slot int32) {
	if to, ok := f.m.step(f.b.ctx, state(row[0]), int(f.slots[slot])); ok && uint64(to) == row[0] {
		row[1+slot/64] |= 1 << (slot % 64)
	}
}

// ret advances the frontier over the return of operation i; false: the bounds are reached.
func (f *frontier) ret(i int) bool {
	slot := f.slotOf[i]
	word, bit := 1+int(slot/64), uint64(1)<<(slot%64)
	if !f.allHave(word, bit) && !f.lead(word, bit) {
		return false
	}
	for at := 0; at < len(f.rows); at += f.stride {
		f.rows[at+word] &^= bit
	}
	f.open--
	f.slots[slot] = noOperation
	f.free = append(f.free, slot)
	return !f.b.stopped()
}

func (f *frontier) allHave(word int, bit uint64) bool {
	for at := 0; at < len(f.rows); at += f.stride {
		if f.rows[at+word]&bit == 0 {
			return false
		}
	}
	return true
}

// lead replaces the frontier by the configurations that have the bit and can be reached from it.
func (f *frontier) lead(word int, bit uint64) bool {
	f.found = f.found[:0]
	f.table.reset()
	for l := range f.level {
		f.level[l] = f.level[l][:0]
	}
	for at := 0; at < len(f.rows); at += f.stride {
		f.insert(f.rows[at:at+f.stride], word, bit)
	}
	for l := 0; l < len(f.level); l++ {
		for k := 0; k < len(f.level[l]); k++ {
			if n := f.level[l][k]; !f.table.dead(n) && !f.leadOn(n, word, bit) {
				return false
			}
		}
	}
	f.rows = f.rows[:0]
	for n := range int32(len(f.found) / f.stride) {
		at := int(n) * f.stride
		if !f.table.dead(n) && f.found[at+word]&bit != 0 {
			f.rows = append(f.rows, f.found[at:at+f.stride]...)
		}
	}
	return true
}

// leadOn applies each open operation to configuration n of found.
func (f *frontier) leadOn(n int32, word int, bit uint64) bool {
	at := int(n) * f.stride
	from := state(f.found[at])
	for slot, i := range f.slots {
		if i == noOperation || f.pure[i] || f.found[at+1+slot/64]>>(slot%64)&1 != 0 {
			continue
		}
		if to, ok := f.m.step(f.b.ctx, from, int(i)); ok {
			copy(f.row, f.found[at:at+f.stride])
			f.row[1+slot/64] |= 1 << (slot % 64)
			f.arrive(to, word, bit)
		}
	}
	for c, i := range f.crashed {
		if f.used(at, int32(c)) || f.sameAs[c] != noOperation && !f.used(at, f.sameAs[c]) {
			continue
		}
		if to, ok := f.m.step(f.b.ctx, from, int(i)); ok && to != from {
			copy(f.row, f.found[at:at+f.stride])
			f.row[1+f.slotWords+c/64] |= 1 << (c % 64)
			f.arrive(to, word, bit)
		}
	}
	return !f.b.stopped()
}

// used tells whether the configuration at this place of found used a crashed operation.
func (f *frontier) used(at int, c int32) bool {
	return f.found[at+1+f.slotWords+int(c/64)]>>(c%64)&1 != 0
}

// arrive adds the configuration in f.row with its new state.
func (f *frontier) arrive(to state, word int, bit uint64) {
	f.row[0] = uint64(to)
	for slot, i := range f.slots {
		if i != noOperation && f.pure[i] && f.row[1+slot/64]>>(slot%64)&1 == 0 {
			f.commit(f.row, int32(slot))
		}
	}
	f.insert(f.row, word, bit)
}

// insert adds a configuration to found unless one there can do all it can.
func (f *frontier) insert(row []uint64, word int, bit uint64) {
	if f.table.dominated(f, row) {
		return
	}
	n := int32(len(f.found) / f.stride)
	before := cap(f.found)
	f.found = append(f.found, row...)
	if grown := cap(f.found) - before; grown > 0 {
		f.charge(int64(grown) * 16) // rows may become as large
	}
	f.table.add(f, n)
	if row[word]&bit == 0 {
		l := 0
		for _, w := range row[1+f.slotWords:] {
			l += bits.OnesCount64(w)
		}
		for len(f.level) <= l {
			f.level = append(f.level, nil)
		}
		f.level[l] = append(f.level[l], n)
	}
}

// configTable finds the configurations of found that agree in state and slots.
type configTable struct {
	heads   []configHead  // by hash, open addressing; a power of two of them
	round   uint32        // heads of other rounds are empty
	used    int           // heads of this round
	entries []configEntry // by configuration
}

type configHead struct {
	hash  uint64
	round uint32
	last  int32 // the last configuration with the hash
}

type configEntry struct {
	before int32 // the configuration of the same hash before it, or none
	dead   bool  // another can do all it can
}

const leastHeads = 64

func (t *configTable) reset() {
	t.entries = t.entries[:0]
	t.used = 0
	t.round++
	if t.round == 0 || len(t.heads) == 0 {
		t.heads, t.round = make([]configHead, leastHeads), 1
	}
}

func (t *configTable) dead(n int32) bool { return t.entries[n].dead }

// head is the place of a hash: its own, or an empty one.
func (t *configTable) head(hash uint64) *configHead {
	for i := hash; ; i++ {
		h := &t.heads[i&uint64(len(t.heads)-1)]
		if h.round != t.round || h.hash == hash {
			return h
		}
	}
}

func (t *configTable) last(hash uint64) int32 {
	if h := t.head(hash); h.round == t.round {
		return h.last
	}
	return noOperation
}

func (t *configTable) grow() {
	old := t.heads
	t.heads = make([]configHead, 2*len(old))
	for _, h := range old {
		if h.round == t.round {
			*t.head(h.hash) = h
		}
	}
}

func (f *frontier) hash(row []uint64) uint64 {
	h := mix(row[0])
	for _, w := range row[1 : 1+f.slotWords] {
		h = mix(h ^ w)
	}
	return h
}

// dominated tells whether a configuration of the table can do all that row can, and marks those dead of which row can do
// all they can.
func (t *configTable) dominated(f *frontier, row []uint64) bool {
	for n := t.last(f.hash(row)); n != noOperation; n = t.entries[n].before {
		e := &t.entries[n]
		other := f.found[int(n)*f.stride : (int(n)+1)*f.stride]
		if e.dead || row[0] != other[0] || !slices.Equal(row[1:1+f.slotWords], other[1:1+f.slotWords]) {
			continue
		}
		if f.fewer(other, row) {
			return true
		}
		if f.fewer(row, other) {
			e.dead = true
		}
	}
	return false
}

// fewer tells whether configuration a used no crashed operation that b did not.
func (f *frontier) fewer(a, b []uint64) bool {
	for i := 1 + f.slotWords; i < f.stride; i++ {
		if a[i]&^b[i] != 0 {
			return false
		}
	}
	return true
}

// add adds configuration n of found, the one after the last.
func (t *configTable) add(f *frontier, n int32) {
	hash := f.hash(f.found[int(n)*f.stride : (int(n)+1)*f.stride])
	entry := configEntry{before: noOperation}
	h := t.head(hash)
	if h.round == t.round {
		entry.before = h.last
	} else if t.used++; 2*t.used > len(t.heads) {
		f.charge(int64(len(t.heads)) * 16)
		t.grow()
		h = t.head(hash)
	}
	*h = configHead{hash: hash, round: t.round, last: n}
	t.entries = append(t.entries, entry)
}

// pureOperation tells whether an operation changes no state that allows it.
func (m *Model) pureOperation(op *history.Operation) bool {
	if m.pure != nil {
		return m.pure(op)
	}
	return m.ReadOnly != nil && m.ReadOnly(op)
}
