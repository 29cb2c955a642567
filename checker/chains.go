package checker

import (
	"math"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// The exact checker of registers with unique values, O(n log n).
//
// Each value is written at most once, so every operation belongs to one value, and each compare-and-set that swapped
// leads from one value to the next. Values linked in this way are a chain; it begins with a put, or with the nil that was
// there at first. Once the register left a chain it cannot come back, so a legal order is one chain after the other, each
// in its own order: first write, its reads, second write, its reads, ... What is to be checked:
//
//   - every value somebody saw was written; no value was swapped away twice; no chain bites its own tail;
//   - inside a chain, no operation returned before one that comes earlier in the chain was called;
//   - the chains can be put in an order. Chain A must come before B when some operation of A returned before some
//     operation of B was called: when f(A), the first return in A, is before s(B), the last call in B. If there is a
//     cycle of such needs there is one of two chains: let A have the smallest f in the cycle, B come before A in it and
//     C before B; f(A) <= f(C) < s(B), so A must come before B as well. That is Gibbons and Korach's condition on zones [f, s]: no two with f < s
//     (forward) overlap, none with s <= f (backward) lies inside a forward one.
//
// A crashed write took effect in every legal order if its value was seen by an operation that did; it then counts as
// one that returns at the end of time. If it was not, it can be left out of every legal order: nobody saw its value, so
// no answer changes. (An operation whose answer is unknown and that depends on the value is itself a crashed
// compare-and-set, and if that one took effect and was seen, the value counts as seen.)
//
// P. Gibbons, E. Korach: Testing shared memories, SIAM J. Comput. 26 (1997); the chains are ours.

// Value 0 is nil; it was there at the beginning of time.
const (
	noOperation = int32(-1)
	beginning   = time.Duration(math.MinInt64)
)

// chains is the state of the check of one register.
type chains struct {
	ops     []*history.Operation
	kinds   []registerOp
	writer  []int32 // by value: the operation that writes it, or noOperation
	took    []bool  // by operation: a crashed one that took effect
	seen    []bool  // by value: by an operation that took effect
	next    []int32 // by value: the operation that swaps it away, or noOperation
	reads   []span  // by value: its reads
	visited []bool  // by value: in a chain
	zones   []zone
}

// span is what matters of the times of some operations.
type span struct {
	firstReturn, lastCall     time.Duration
	firstReturnOp, lastCallOp int32
}

func emptySpan() span {
	return span{firstReturn: history.Forever, lastCall: beginning, firstReturnOp: noOperation, lastCallOp: noOperation}
}

func (s *span) add(op *history.Operation, i int32) {
	if end := returned(op); end < s.firstReturn || s.firstReturnOp == noOperation {
		s.firstReturn, s.firstReturnOp = end, i
	}
	if op.Call > s.lastCall {
		s.lastCall, s.lastCallOp = op.Call, i
	}
}

func (s *span) join(t span) {
	if t.firstReturn < s.firstReturn || s.firstReturnOp == noOperation {
		s.firstReturn, s.firstReturnOp = t.firstReturn, t.firstReturnOp
	}
	if t.lastCall > s.lastCall {
		s.lastCall, s.lastCallOp = t.lastCall, t.lastCallOp
	}
}

// zone is a chain as the others see it.
type zone struct {
	head int32 // its first value
	span
}

// decideChains decides a register exactly if its values are unique; ok tells whether it could. For an illegal register it
// returns operations that are illegal together, by number.
func decideChains(b *bounds, ops []*history.Operation, m *registerMachine) (verdict Verdict, conflict []int32, ok bool) {
	c := &chains{ops: ops, kinds: m.ops}
	if !c.findWriters(len(m.values.values)) {
		return Unknown, nil, false
	}
	verdict, conflict = inSteps(b, c.findSeen, c.linkValues, c.walkChains, c.orderZones)
	return verdict, conflict, true
}

// wrote is the value an operation writes if it takes effect; ok is false for one that writes none.
func (op *registerOp) wrote() (value uint32, ok bool) {
	switch op.kind {
	case registerPut:
		return op.new, true
	case registerCAS:
		return op.new, op.old != op.new && (op.crashed || op.saw == op.old)
	}
	return 0, false
}

// findWriters fills writer; it fails when values are not unique.
func (c *chains) findWriters(values int) bool {
	c.writer = slices.Repeat([]int32{noOperation}, values)
	for i := range c.kinds {
		v, writes := c.kinds[i].wrote()
		if !writes {
			continue
		}
		if v == 0 || c.writer[v] != noOperation {
			return false
		}
		c.writer[v] = int32(i)
	}
	return true
}

// effective tells whether an operation surely took effect.
func (c *chains) effective(i int32) bool { return !c.kinds[i].crashed || c.took[i] }

// findSeen finds the values that were seen, and by them the crashed writes that took effect.
func (c *chains) findSeen() (conflict []int32) {
	c.took = make([]bool, len(c.ops))
	c.seen = make([]bool, len(c.writer))
	for i := range c.kinds {
		if op := &c.kinds[i]; !op.crashed && op.kind != registerPut {
			if conflict := c.see(op.saw, int32(i)); conflict != nil {
				return conflict
			}
		}
	}
	return nil
}

// see follows a value back along crashed compare-and-sets.
func (c *chains) see(v uint32, by int32) (conflict []int32) {
	conflict = []int32{by}
	for v != 0 && !c.seen[v] {
		c.seen[v] = true
		w := c.writer[v]
		if w == noOperation {
			return conflict
		}
		if !c.kinds[w].crashed {
			return nil
		}
		c.took[w] = true
		conflict = append(conflict, w)
		if c.kinds[w].kind == registerPut {
			return nil
		}
		v = c.kinds[w].old
	}
	return nil
}

// linkValues fills next and reads.
func (c *chains) linkValues() (conflict []int32) {
	var twice []int32
	c.next = slices.Repeat([]int32{noOperation}, len(c.writer))
	c.reads = slices.Repeat([]span{emptySpan()}, len(c.writer))
	for i := range c.kinds {
		op := &c.kinds[i]
		if op.kind == registerPut || !c.effective(int32(i)) {
			continue
		}
		if _, writes := op.wrote(); !writes {
			c.reads[op.saw].add(c.ops[i], int32(i))
			continue
		}
		if other := c.next[op.old]; other != noOperation {
			twice = []int32{other, int32(i)}
		}
		c.next[op.old] = int32(i)
	}
	return c.withWriters(twice...)
}

// walkChains checks each chain inside and makes its zone.
func (c *chains) walkChains() (conflict []int32) {
	c.visited = make([]bool, len(c.writer))
	if c.next[0] != noOperation || c.reads[0].firstReturnOp != noOperation {
		if conflict := c.walk(0); conflict != nil {
			return conflict
		}
	}
	for v, w := range c.writer {
		if w != noOperation && c.kinds[w].kind == registerPut && c.effective(w) {
			if conflict := c.walk(uint32(v)); conflict != nil {
				return conflict
			}
		}
	}
	for v, w := range c.writer {
		if w != noOperation && c.effective(w) && !c.visited[v] {
			return c.withWriters(w)
		}
	}
	return nil
}

// walk goes along the chain that begins with a value.
func (c *chains) walk(head uint32) (conflict []int32) {
	z := zone{head: int32(head), span: emptySpan()}
	if head == 0 { // nil was there before everything
		z.firstReturn, z.firstReturnOp = beginning, 0
	} else {
		z.add(c.ops[c.writer[head]], c.writer[head])
	}
	for v := head; ; {
		c.visited[v] = true
		reads := c.reads[v]
		if reads.firstReturn < z.lastCall {
			return c.withWriters(z.lastCallOp, reads.firstReturnOp)
		}
		z.join(reads)
		swap := c.next[v]
		if swap == noOperation {
			break
		}
		if returned(c.ops[swap]) < z.lastCall {
			return c.withWriters(z.lastCallOp, swap)
		}
		z.add(c.ops[swap], swap)
		v = c.kinds[swap].new
	}
	c.zones = append(c.zones, z)
	return nil
}

// orderZones checks that the chains can follow each other.
func (c *chains) orderZones() (conflict []int32) {
	a, b, ok := conflictingZones(c.zones)
	if ok {
		return c.ofZones(a, b)
	}
	return nil
}

// conflictingZones finds two zones each of which must come before the other.
func conflictingZones(zones []zone) (a, b zone, found bool) {
	var forward, backward []zone
	for _, z := range zones {
		if z.firstReturn < z.lastCall {
			forward = append(forward, z)
		} else {
			backward = append(backward, z)
		}
	}
	slices.SortFunc(forward, func(a, b zone) int { return compareTimes(a.firstReturn, b.firstReturn) })
	for i := 1; i < len(forward); i++ {
		if forward[i].firstReturn < forward[i-1].lastCall {
			return forward[i-1], forward[i], true
		}
	}
	for _, z := range backward {
		// Of the forward zones, which do not overlap, only the last that begins before z can hold it.
		i, _ := slices.BinarySearchFunc(forward, z.lastCall, func(a zone, t time.Duration) int { return compareTimes(a.firstReturn, t) })
		if i > 0 && z.firstReturn < forward[i-1].lastCall {
			return forward[i-1], z, true
		}
	}
	return zone{}, zone{}, false
}

func compareTimes(a, b time.Duration) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ofZones is the operations that make two zones conflict.
func (c *chains) ofZones(a, b zone) []int32 {
	var ops []int32
	for _, z := range []zone{a, b} {
		if z.firstReturn != beginning {
			ops = append(ops, z.firstReturnOp)
		}
		ops = append(ops, z.lastCallOp)
	}
	return c.withWriters(ops...)
}

// withWriters adds to operations the writers of the values they saw, and so on: together they are illegal for what they
// saw, and not because a write is missing.
func (c *chains) withWriters(ops ...int32) []int32 {
	in := make(map[int32]bool)
	var all []int32
	for len(ops) > 0 {
		i := ops[len(ops)-1]
		ops = ops[:len(ops)-1]
		if i == noOperation || in[i] {
			continue
		}
		in[i] = true
		all = append(all, i)
		op := &c.kinds[i]
		switch {
		case op.kind == registerPut:
		case op.crashed:
			ops = append(ops, c.writer[op.old])
			ops = append(ops, c.witness(op.new)...)
		default:
			ops = append(ops, c.writer[op.saw])
		}
	}
	slices.Sort(all)
	return all
}

// witness is an operation that saw a value, for which its crashed writer must have taken effect.
func (c *chains) witness(v uint32) []int32 {
	if r := c.reads[v].firstReturnOp; r != noOperation {
		return []int32{r}
	}
	return []int32{c.next[v]}
}
