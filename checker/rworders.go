package checker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Blind writes leave open which of two versions of a key came first, and each way may be impossible for another reason: then
// no edge between the two is known, no cycle is found, and yet no order explains the history. So where the cycles show
// nothing the order of each such pair is searched (as Cobra and PolySI do: Tan et al., OSDI 2020; Huang et al., VLDB 2023).
// Whatever the search chooses, a cycle leads along edges that are known and edges that may be chosen. The transactions
// therefore fall into groups, the strongly connected components of all these, which are decided one by one.

const (
	// mostInGroup transactions are decided together, exactly.
	mostInGroup = 1024
	// Of a larger group parts of inPart are looked at, each of which overlaps half of the next: what is wrong in one is wrong
	// in the whole, but not the other way round.
	inPart = 256
	// searchEffort is how many words of the groups' bit sets the search may look at in all, and effortEach for each
	// transaction: a small part of what the rest of the check takes.
	searchEffort = 1 << 27
	effortEach   = 100
	// openPairs is how many pairs of versions in either order are looked at, besides a few for each transaction.
	openPairs = 1 << 20
)

// orders searches the orders of the versions of registers.
type orders struct {
	ts      *txns
	b       *bounds
	level   string
	present []bool                  // by transaction: it surely took effect; what crashed and nobody saw may as well not have
	finals  [][]int32               // by key: the versions that transactions that are present left
	readers [][]int32               // by version
	nils    [][]int32               // by key: who read nil
	seen    map[int32]time.Duration // by crashed transaction: when it had surely taken effect
	known   *graph                  // the edges that the level knows
	effort  int                     // left
	open    int                     // pairs of versions that may still be looked at
}

// searched is what a search found.
type searched struct {
	conflict []int32 // transactions that no order explains; nil: none were found
	level    string  // the weakest at which they have none
	choice   *choice // of two versions, one of which must have come first; nil: there is none
	beyond   int     // transactions in groups that were not decided
}

// serializability tells whether a level demands that some order explains all.
func serializability(level string) bool { return strength(level) >= strength(Serializable) }

// searchOrders looks for an order at the level for transactions on registers without a cycle; edges are those known.
func searchOrders(b *bounds, ts *txns, edges []edge, level string) searched {
	o := newOrders(b, ts, level)
	if !o.know(edges) {
		return searched{}
	}
	whole, parts, beyond := o.groups()
	found := searched{}
	for _, nodes := range append(whole, parts...) {
		if b.stopped() {
			return found
		}
		switch o.group(nodes, o.known).solve() {
		case Invalid:
			found.conflict, found.choice = o.evidence(nodes)
			found.level = o.weakest(found.conflict)
			return found
		case Unknown:
			beyond += len(nodes)
		}
	}
	found.beyond = min(beyond, len(ts.all))
	return found
}

func newOrders(b *bounds, ts *txns, level string) *orders {
	o := &orders{ts: ts, b: b, level: level, present: make([]bool, len(ts.all)), finals: make([][]int32, len(ts.keys)),
		readers: make([][]int32, len(ts.versions)), nils: make([][]int32, len(ts.keys)),
		effort: searchEffort + effortEach*len(ts.all), open: openPairs + 2*len(ts.all)}
	for t := range ts.all {
		o.present[t] = o.present[t] || ts.all[t].committed()
		ts.all[t].externalReads(func(s *step) {
			if s.version == noVersion {
				o.nils[s.key] = append(o.nils[s.key], int32(t))
				return
			}
			o.readers[s.version] = append(o.readers[s.version], int32(t))
			if w := ts.versions[s.version].writer; w != noOperation {
				o.present[w] = true
			}
		})
	}
	for v := range ts.versions {
		if ver := &ts.versions[v]; ver.final && o.present[ver.writer] {
			o.finals[ver.key] = append(o.finals[ver.key], int32(v))
		}
	}
	o.seen = surelyThere(ts, o.readers)
	return o
}

// kinds are the edges that the level knows.
func (o *orders) kinds() dependency {
	switch o.level {
	case Serializable:
		return dataDependencies
	case StrictSerializable:
		return dataDependencies.inRealTime() | processOrder | realTime
	}
	return dataDependencies.inSession() | processOrder
}

// know keeps the edges that the level knows, between transactions that are present.
func (o *orders) know(edges []edge) bool {
	if o.ts.room.Take(2*graphNeeds(len(o.ts.all), len(edges))) != nil {
		o.b.outOfMemory()
		return false
	}
	var known []edge
	for _, e := range edges {
		if e.kind&o.kinds() != 0 && o.present[e.from] && o.present[e.to] {
			known = append(known, e)
		}
	}
	o.known = newGraph(len(o.ts.all), known)
	return true
}

// groups are the groups of transactions whose order is open, those small enough to be decided and parts of the others; beyond
// counts the transactions in the latter.
func (o *orders) groups() (whole, parts [][]int32, beyond int) {
	possible, nodes, ok := o.possible()
	if !ok {
		all := o.all()
		return nil, o.parts(all), len(all)
	}
	byComponent := make(map[int32][]int32)
	var order []int32
	for t, c := range newGraph(nodes, possible).components(o.b, ^dependency(0), nil)[:len(o.ts.all)] {
		if c == noOperation {
			continue
		}
		if byComponent[c] == nil {
			order = append(order, c)
		}
		byComponent[c] = append(byComponent[c], int32(t))
	}
	for _, c := range order {
		if members := byComponent[c]; len(members) <= mostInGroup {
			whole = append(whole, members)
		} else {
			beyond += len(members)
			parts = append(parts, o.parts(members)...)
		}
	}
	return whole, parts, beyond
}

// parts are overlapping parts of many transactions.
func (o *orders) parts(all []int32) [][]int32 {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b int32) int { return cmp.Compare(o.ts.all[a].op.Call, o.ts.all[b].op.Call) })
	var parts [][]int32
	for from := 0; from < len(all); from += inPart / 2 {
		parts = append(parts, all[from:min(from+inPart, len(all))])
	}
	return parts
}

// possible are the edges known and those that some order of the versions has. Beside the transactions there is a node for
// each key, between who read nil there and who wrote it. ok is false where there are too many.
func (o *orders) possible() (edges []edge, nodes int, ok bool) {
	nodes = len(o.ts.all) + len(o.ts.keys)
	edges = slices.Clone(o.known.edges)
	link := func(from, to int32) {
		if from != to {
			edges = append(edges, edge{from: from, to: to, kind: writeWrite})
		}
	}
	for key, finals := range o.finals {
		o.linkNil(int32(key), finals, link)
		if !o.pairs(finals, func(v, w int32) {
			for _, c := range [][2]int32{{v, w}, {w, v}} {
				to := o.ts.versions[c[1]].writer
				link(o.ts.versions[c[0]].writer, to)
				for _, r := range o.readers[c[0]] {
					link(r, to)
				}
			}
		}) || o.ts.room.Take(graphNeeds(nodes, 2*len(edges))) != nil {
			return nil, 0, false
		}
	}
	return edges, nodes, true
}

// linkNil links who read nil with all who wrote the key.
func (o *orders) linkNil(key int32, finals []int32, link func(from, to int32)) {
	between := int32(len(o.ts.all)) + key
	for _, r := range o.nils[key] {
		if !writesLater(o.ts.all[r].steps, key) {
			link(r, between)
			continue
		}
		for _, v := range finals {
			link(r, o.ts.versions[v].writer)
		}
	}
	for _, v := range finals {
		link(between, o.ts.versions[v].writer)
	}
}

// pairs calls each with the pairs of versions of a key whose order real time does not tell, where it counts; false: there are
// too many.
func (o *orders) pairs(finals []int32, each func(v, w int32)) bool {
	versions := make([]timedVersion, len(finals))
	for i, v := range finals {
		versions[i] = timed(o.ts, v, o.readers[v], o.seen)
	}
	slices.SortStableFunc(versions, func(a, b timedVersion) int { return cmp.Compare(a.last, b.last) })
	strict := o.level == StrictSerializable
	for i, v := range versions {
		for _, w := range versions[i+1:] {
			if strict && w.last > v.end {
				break // as all that follow
			}
			if strict && v.last > w.end {
				continue
			}
			if o.open--; o.open < 0 {
				return false
			}
			each(v.version, w.version)
		}
	}
	return true
}

// evidence is some transactions that have no order by themselves, of a group that has none. What is known of the group may come
// from others: from those who read what it wrote, or from anywhere.
func (o *orders) evidence(group []int32) ([]int32, *choice) {
	o.effort = searchEffort
	group = slices.Sorted(slices.Values(group))
	for _, nodes := range [][]int32{group, o.around(group), o.all()} {
		if len(nodes) <= mostInGroup && o.group(nodes, nil).solve() == Invalid {
			return o.reduce(nodes)
		}
	}
	return group, nil
}

// around are transactions with those who read what they wrote, and who wrote what all these read.
func (o *orders) around(group []int32) []int32 {
	there := make(map[int32]bool)
	for _, t := range group {
		there[t] = true
		for _, s := range o.ts.all[t].steps {
			if s.kind == stepWrite {
				for _, r := range o.readers[s.version] {
					there[r] = true
				}
			}
		}
	}
	for _, t := range slices.Collect(maps.Keys(there)) {
		o.ts.all[t].externalReads(func(s *step) {
			if s.version != noVersion {
				there[o.ts.versions[s.version].writer] = true
			}
		})
	}
	return slices.Sorted(maps.Keys(there))
}

// all are the transactions that are present.
func (o *orders) all() (all []int32) {
	for t, present := range o.present {
		if present {
			all = append(all, int32(t))
		}
	}
	return all
}

// reduce leaves out of transactions without an order those that are not needed for that. Who wrote what another read stays
// with it.
func (o *orders) reduce(nodes []int32) ([]int32, *choice) {
	for size := len(nodes) / 2; size > 0; {
		shorter := false
		for from := 0; from < len(nodes); {
			rest := slices.Concat(nodes[:from], nodes[min(from+size, len(nodes)):])
			if o.keepsWriters(nodes, rest) && o.group(rest, nil).solve() == Invalid {
				nodes, shorter = rest, true
			} else {
				from += size
			}
		}
		if !shorter || size > 1 {
			size /= 2
		}
	}
	g := o.group(nodes, nil)
	g.solve()
	return nodes, g.stuck
}

// keepsWriters tells whether all that some of the transactions read, as far as one of all wrote it, one of some wrote. Both are
// sorted.
func (o *orders) keepsWriters(all, some []int32) bool {
	ok := true
	for _, t := range some {
		o.ts.all[t].externalReads(func(s *step) {
			if s.version == noVersion {
				return
			}
			w := o.ts.versions[s.version].writer
			_, was := slices.BinarySearch(all, w)
			_, is := slices.BinarySearch(some, w)
			ok = ok && (is || !was)
		})
	}
	return ok
}

// weakest is the weakest level at which transactions have no order.
func (o *orders) weakest(nodes []int32) string {
	for _, level := range levels[strength(Serializable):strength(o.level)] {
		weaker := *o
		weaker.level, weaker.effort = level, searchEffort
		if weaker.group(nodes, nil).solve() == Invalid {
			return level
		}
	}
	return o.level
}

// unserializable is the anomaly that a search found.
func (c *transactions) unserializable(ts *txns, f searched) Anomaly {
	name := "unserializable"
	switch f.level {
	case StrictSerializable:
		name += "-realtime"
	case Serializable:
	default:
		name += "-process"
	}
	var said []string
	for _, t := range f.conflict {
		text, _ := describeTransaction(ts.all[t].op)
		said = append(said, fmt.Sprintf("%s (%s)", ts.name(t), text))
	}
	text := "no order explains " + strings.Join(said, ", ")
	if f.choice != nil {
		v, w := &ts.versions[f.choice.v], &ts.versions[f.choice.w]
		text += fmt.Sprintf(": whichever of %v and %v was written to key %s first, a transaction that read would have to come before what it read, or after what replaced it", v.value, w.value, ts.keyName(v.key))
	}
	return c.anomaly(ts, name, text, f.conflict)
}

// precedes tells whether the level has one transaction come before another whatever they did.
func (o *orders) precedes(a, b int32) bool {
	one, two := &o.ts.all[a], &o.ts.all[b]
	switch {
	case o.level == Serializable:
		return false
	case one.op.Process == two.op.Process:
		return a < b
	}
	return o.level == StrictSerializable && one.committed() && returned(one.op) < two.op.Call
}
