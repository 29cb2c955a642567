package checker

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// decideAppends is exact for a text that is only appended to, where no two appends can be taken for one another: no
// appended piece is the beginning of another. A read then shows its appends and their order. The longest read is the order
// of all appends that were seen; the others must be its beginnings; appends nobody saw come at the end. That is the legal
// order, if there is one, and what is left to check is that nothing in it returned before what comes earlier was called.
// Crashed appends that were seen took effect, the others can be left out.
func decideAppends(b *bounds, ops []*history.Operation) (Verdict, []int32, string, bool) {
	d := &appendsDecision{ops: ops}
	if !d.findPieces() || len(d.puts) > 0 {
		return Unknown, nil, "", false
	}
	verdict, conflict := inSteps(b, d.findOrder, d.checkOrder)
	return verdict, conflict, byPrefixes, true
}

// appendsDecision is the state of the check of one text.
type appendsDecision struct {
	ops    []*history.Operation
	pieces []int32 // puts and appends, sorted by what they write
	puts   []int32
	reads  []int32
	order  []int32 // appends that were seen, in their order
	places []int   // by read: how many of order it saw
	seen   []bool  // by operation: an append that was seen
}

func (d *appendsDecision) piece(i int32) string {
	text, _ := d.ops[i].Input.AsString()
	return text
}

func (d *appendsDecision) text(i int32) string {
	text, _ := d.ops[i].Output.AsString()
	return text
}

// findPieces sorts the puts and appends; it fails where they can be taken for one another.
func (d *appendsDecision) findPieces() bool {
	for i, op := range d.ops {
		switch op.F {
		case "put":
			d.puts = append(d.puts, int32(i))
			d.pieces = append(d.pieces, int32(i))
		case "append":
			d.pieces = append(d.pieces, int32(i))
		case "get":
			d.reads = append(d.reads, int32(i))
		default:
			return false
		}
	}
	slices.SortFunc(d.pieces, func(a, b int32) int { return strings.Compare(d.piece(a), d.piece(b)) })
	for n, i := range d.pieces {
		if d.piece(i) == "" || n > 0 && strings.HasPrefix(d.piece(i), d.piece(d.pieces[n-1])) {
			return false
		}
	}
	return true
}

// findOrder takes the longest read apart and holds the others against it.
func (d *appendsDecision) findOrder() (conflict []int32) {
	d.seen, d.places = make([]bool, len(d.ops)), make([]int, len(d.reads))
	if len(d.reads) == 0 {
		return nil
	}
	longest := slices.MaxFunc(d.reads, func(a, b int32) int { return cmp.Compare(len(d.text(a)), len(d.text(b))) })
	whole := d.text(longest)
	ends := map[int]int{0: 0} // length of a beginning of whole pieces to how many they are
	for at := 0; at < len(whole); {
		i, ok := d.next(whole[at:])
		if !ok || d.seen[i] {
			return d.withPieces(longest, i, ok)
		}
		d.seen[i] = true
		d.order = append(d.order, i)
		at += len(d.piece(i))
		ends[at] = len(d.order)
	}
	for n, r := range d.reads {
		place, ok := ends[len(d.text(r))]
		if !ok || !strings.HasPrefix(whole, d.text(r)) {
			return d.withOrder(longest, r)
		}
		d.places[n] = place
	}
	return nil
}

// next is the append whose piece a text begins with.
func (d *appendsDecision) next(text string) (int32, bool) {
	// No piece is the beginning of another, so it is the last that does not come after the text.
	n, found := slices.BinarySearchFunc(d.pieces, text, func(i int32, text string) int { return strings.Compare(d.piece(i), text) })
	if !found {
		n--
	}
	if n < 0 || !strings.HasPrefix(text, d.piece(d.pieces[n])) {
		return noOperation, false
	}
	return d.pieces[n], true
}

// withPieces is a read that no appends explain, with those it shows.
func (d *appendsDecision) withPieces(read, twice int32, isTwice bool) []int32 {
	ops := append(slices.Clone(d.order), read)
	if isTwice {
		ops = append(ops, twice)
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// withOrder is reads with all appends the longest of them shows.
func (d *appendsDecision) withOrder(ops ...int32) []int32 {
	ops = append(slices.Clone(d.order), ops...)
	slices.Sort(ops)
	return slices.Compact(ops)
}

// checkOrder holds the order against real time.
func (d *appendsDecision) checkOrder() (conflict []int32) {
	byPlace := make([][]int32, len(d.order)+1)
	for n, r := range d.reads {
		byPlace[d.places[n]] = append(byPlace[d.places[n]], r)
	}
	before := emptySpan() // all that comes earlier
	for place, reads := range byPlace {
		if place > 0 {
			i := d.order[place-1]
			if returned(d.ops[i]) < before.lastCall {
				return d.clash(before.lastCallOp, i)
			}
			before.add(d.ops[i], i)
		}
		last := before
		for _, r := range reads { // reads of one place have no order among them
			if d.ops[r].Return < before.lastCall {
				return d.clash(before.lastCallOp, r)
			}
			last.add(d.ops[r], r)
		}
		before = last
	}
	for _, i := range d.pieces { // unseen: after all that was seen
		if !d.seen[i] && d.ops[i].Type == history.OK && d.ops[i].Return < before.lastCall {
			return d.clash(before.lastCallOp, i)
		}
	}
	return nil
}

// clash is two operations that stand in the wrong order in time, with the read that shows the order and its appends.
func (d *appendsDecision) clash(a, b int32) []int32 {
	longest := slices.MaxFunc(d.reads, func(a, b int32) int { return cmp.Compare(len(d.text(a)), len(d.text(b))) })
	return d.withOrder(longest, a, b)
}

func textMention(op *history.Operation) mention {
	if op.F == "get" {
		return mention{}
	}
	return mention{names: []history.Value{op.Input}, writes: []history.Value{op.Input}}
}

// fewPieces are easier to read whole.
const fewPieces = 6

// textProject takes pieces out of what reads saw. A history of a text that is only appended to stays legal when a piece is
// taken out of all of it.
func textProject(ops []*history.Operation) (projection, bool) {
	d := &appendsDecision{ops: ops}
	if !d.findPieces() || len(d.puts) > 0 || len(d.pieces) <= fewPieces {
		return nil, false
	}
	return func(op *history.Operation, gone map[string]bool) *history.Operation {
		text, ok := op.Output.AsString()
		if op.F != "get" || !ok {
			return op
		}
		var left strings.Builder
		for rest := text; rest != ""; {
			i, ok := d.next(rest)
			if !ok { // nobody appended this; it stays to be seen
				left.WriteString(rest)
				break
			}
			if !gone[valueID(d.ops[i].Input)] {
				left.WriteString(d.piece(i))
			}
			rest = rest[len(d.piece(i)):]
		}
		if left.Len() == len(text) {
			return op
		}
		short := *op
		short.Output = history.String(left.String())
		return &short
	}, true
}
