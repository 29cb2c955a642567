package checker

import (
	"context"
	"slices"
	"unsafe"
)

// dependency is a set of kinds of edges between transactions: what came first, and how one knows (Adya).
type dependency uint16

const (
	writeWrite   dependency = 1 << iota // the second overwrote what the first wrote
	writeRead                           // the second read what the first wrote
	readWrite                           // the second overwrote what the first read
	processOrder                        // the same client, one after the other
	realTime                            // the first had returned when the second was called
	// The same where only real time, or the order of one client, tells that what the second wrote came after what the first
	// wrote or read.
	writeWriteByTime
	readWriteByTime
	writeWriteBySession
	readWriteBySession

	dataDependencies = writeWrite | writeRead | readWrite
)

// inSession are the kinds of edges with those of the same kinds that clients' own order tells.
func (d dependency) inSession() dependency {
	if d&writeWrite != 0 {
		d |= writeWriteBySession
	}
	if d&readWrite != 0 {
		d |= readWriteBySession
	}
	return d
}

// inRealTime are the kinds of edges with those of the same kinds that real time tells.
func (d dependency) inRealTime() dependency {
	if d&writeWrite != 0 {
		d |= writeWriteByTime
	}
	if d&readWrite != 0 {
		d |= readWriteByTime
	}
	return d.inSession()
}

// overwrites tells an edge that leads from a read to what replaced it.
func (d dependency) overwrites() bool {
	return d&(readWrite|readWriteByTime|readWriteBySession) != 0
}

// edge leads from one transaction to another.
type edge struct {
	from, to int32
	kind     dependency
	version  int32 // what the second did; realTime and processOrder: none
}

// graph has transactions for nodes. Edges are sorted by from; start[n] is where those of n begin.
type graph struct {
	edges []edge
	start []int32
}

// graphNeeds is what a graph takes, in bytes.
func graphNeeds(nodes, edges int) int64 {
	return int64(edges)*int64(unsafe.Sizeof(edge{})) + 8*int64(nodes)
}

func newGraph(nodes int, edges []edge) *graph {
	g := &graph{edges: make([]edge, len(edges)), start: make([]int32, nodes+1)}
	for _, e := range edges {
		g.start[e.from+1]++
	}
	for n := range nodes {
		g.start[n+1] += g.start[n]
	}
	at := slices.Clone(g.start)
	for _, e := range edges {
		g.edges[at[e.from]] = e
		at[e.from]++
	}
	return g
}

func (g *graph) out(n int32) []edge { return g.edges[g.start[n]:g.start[n+1]] }

// components numbers the strongly connected components along edges of some kinds, among the nodes within a component of
// within (nil: all). It returns the component of each node, noOperation for a node alone in its own.
func (g *graph) components(b *bounds, kinds dependency, within []int32) []int32 {
	t := &tarjan{g: g, kinds: kinds, within: within}
	n := len(g.start) - 1
	t.index, t.low, t.component = make([]int32, n), make([]int32, n), make([]int32, n)
	for i := range n {
		t.component[i] = noOperation
	}
	for i := range int32(n) {
		if i%1024 == 0 && b.stopped() {
			break
		}
		if t.index[i] == 0 && (within == nil || within[i] != noOperation) {
			t.visit(i)
		}
	}
	return t.component
}

// tarjan is Tarjan's algorithm with a stack of its own: chains of transactions are a million long.
type tarjan struct {
	g          *graph
	kinds      dependency
	within     []int32
	index, low []int32 // index 0: not seen yet; low 0: its component is done
	component  []int32
	seen       int32
	found      int32
	open       []int32
	calls      []tarjanCall
}

type tarjanCall struct {
	node int32
	next int32 // of its edges
}

func (t *tarjan) visit(root int32) {
	t.enter(root)
	for len(t.calls) > 0 {
		call := &t.calls[len(t.calls)-1]
		n := call.node
		if to, ok := t.step(call); ok {
			t.enter(to)
			continue
		}
		t.calls = t.calls[:len(t.calls)-1]
		if len(t.calls) > 0 {
			above := t.calls[len(t.calls)-1].node
			t.low[above] = min(t.low[above], t.low[n])
		}
		if t.low[n] == t.index[n] {
			t.close(n)
		}
	}
}

func (t *tarjan) enter(n int32) {
	t.seen++
	t.index[n], t.low[n] = t.seen, t.seen
	t.open = append(t.open, n)
	t.calls = append(t.calls, tarjanCall{node: n, next: t.g.start[n]})
}

// step goes along the next edges of a node until one leads to a node not seen yet.
func (t *tarjan) step(call *tarjanCall) (int32, bool) {
	n := call.node
	for call.next < t.g.start[n+1] {
		e := &t.g.edges[call.next]
		call.next++
		if e.kind&t.kinds == 0 || t.within != nil && t.within[e.to] != t.within[n] {
			continue
		}
		if t.index[e.to] == 0 {
			return e.to, true
		}
		if t.low[e.to] != 0 { // still open
			t.low[n] = min(t.low[n], t.index[e.to])
		}
	}
	return 0, false
}

func (t *tarjan) close(n int32) {
	at := len(t.open) - 1
	for t.open[at] != n {
		at--
	}
	members := t.open[at:]
	for _, m := range members {
		if len(members) > 1 {
			t.component[m] = t.found
		}
	}
	if len(members) > 1 {
		t.found++
	}
	for _, m := range members {
		t.low[m] = 0
	}
	t.open = t.open[:at]
}

// walk is a search for the shortest way back to the beginning of an edge.
type walk struct {
	kinds       dependency // of the edges of the way
	component   []int32    // the way stays inside
	nonadjacent bool       // no two readWrite edges follow each other
	effort      int        // transactions it may still look at

	places []place
	seen   []int32 // by transaction, and whether an edge that overwrites led there: the number of the walk that was there
	number int32
}

// place is where a walk has been: the edge that led there from the place before it.
type place struct {
	edge   edge
	before int
}

// cycle is the shortest cycle that begins with an edge; nil: there is none, or the effort or the time does not suffice. One
// of class nonadjacent may pass a transaction twice.
func (g *graph) cycle(ctx context.Context, first edge, w *walk) []edge {
	if w.seen == nil {
		w.seen = make([]int32, 2*(len(g.start)-1))
	}
	w.number++
	w.places = append(w.places[:0], place{edge: first, before: -1})
	for at := 0; at < len(w.places) && w.effort > 0 && (at%1024 != 0 || ctx.Err() == nil); at++ {
		here := w.places[at]
		w.effort--
		for _, e := range g.out(here.edge.to) {
			if e.kind&w.kinds == 0 || w.component[e.to] != w.component[first.from] {
				continue
			}
			rw := w.nonadjacent && e.kind.overwrites()
			if rw && (here.edge.kind.overwrites() || e.to == first.from && first.kind.overwrites()) {
				continue
			}
			if e.to == first.from {
				cycle := []edge{e}
				for p := at; p >= 0; p = w.places[p].before {
					cycle = append(cycle, w.places[p].edge)
				}
				slices.Reverse(cycle)
				return cycle
			}
			id := int64(e.to) << 1
			if rw {
				id |= 1
			}
			if w.seen[id] != w.number {
				w.seen[id] = w.number
				w.places = append(w.places, place{edge: e, before: at})
			}
		}
	}
	return nil
}
