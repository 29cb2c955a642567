package checker

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// linkProcesses links the transactions of each client in their order.
func linkProcesses(ts *txns, edges []edge) []edge {
	last := make(map[int]int32)
	for t := range ts.all {
		op := ts.all[t].op
		if ts.stopped(t) {
			return edges
		}
		if ts.all[t].failed() {
			continue
		}
		if before, ok := last[op.Process]; ok {
			edges = ts.link(edges, before, int32(t), processOrder, noVersion)
		}
		last[op.Process] = int32(t)
	}
	return edges
}

// linkRealTime links each transaction with those that had returned when it was called, as far as no path says so
// already: a transaction that returned is linked to the calls after it until one it is linked to has returned as well.
func linkRealTime(ts *txns, edges []edge) []edge {
	type event struct {
		time time.Duration
		ret  bool
		t    int32
	}
	const size = 32 // bytes of an event
	if ts.room.Take(2*size*int64(len(ts.all))) != nil {
		ts.b.outOfMemory()
		return edges
	}
	events := make([]event, 0, 2*len(ts.all))
	for t := range ts.all {
		if tx := &ts.all[t]; !tx.failed() {
			events = append(events, event{tx.op.Call, false, int32(t)})
			if tx.committed() {
				events = append(events, event{tx.op.Return, true, int32(t)})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { // calls first: the same time is concurrent
		if c := cmp.Compare(a.time, b.time); c != 0 || a.ret == b.ret {
			return c
		}
		if a.ret {
			return 1
		}
		return -1
	})
	var returned []int32               // those that no later returned one follows
	follows := make(map[int32][]int32) // by open transaction: what it was linked from
	for n, e := range events {
		if ts.stopped(n) {
			return edges
		}
		if !e.ret {
			for _, before := range returned {
				edges = ts.link(edges, before, e.t, realTime, noVersion)
			}
			if ts.all[e.t].committed() {
				follows[e.t] = slices.Clone(returned)
			}
			continue
		}
		implied := follows[e.t]
		delete(follows, e.t)
		returned = slices.DeleteFunc(returned, func(t int32) bool { return slices.Contains(implied, t) })
		returned = append(returned, e.t)
	}
	return edges
}

// foundCycle is a cycle of dependencies with its name.
type foundCycle struct {
	name  string
	cycle []edge
}

// A cycleClass is a kind of cycle: it begins with an edge of one kind and goes on along others.
type cycleClass struct {
	name        string
	first, rest dependency
	nonadjacent bool
}

var cycleClasses = []cycleClass{
	{name: "G0", first: writeWrite, rest: writeWrite},
	{name: "G1c", first: writeRead, rest: writeWrite | writeRead},
	{name: "G-single", first: readWrite, rest: writeWrite | writeRead},
	{name: "G-nonadjacent", first: readWrite, rest: dataDependencies, nonadjacent: true},
	{name: "G2-item", first: readWrite, rest: dataDependencies},
}

// findCycles finds a cycle of each class there is: first of data alone, then with the order of processes, then with real
// time. A class is not looked for again where a smaller set of edges has one, or where a worse class explains it. What
// would be a violation, if none is known yet, is looked for as long as the bounds allow: to miss it would be to call the
// history valid.
func findCycles(b *bounds, g *graph, violation func(name string) bool, known bool) []foundCycle {
	all := g.components(b, dataDependencies.inRealTime()|processOrder|realTime, nil)
	if !slices.ContainsFunc(all, func(c int32) bool { return c != noOperation }) {
		return nil
	}
	if nodes := int64(len(all)); !b.charge(nodes * cycleSearch) {
		return nil
	}
	var found []foundCycle
	for _, order := range []struct {
		suffix string
		kinds  dependency
	}{{"", 0}, {"-process", processOrder}, {"-realtime", realTime}} {
		for _, class := range cycleClasses {
			if b.stopped() {
				return found
			}
			if worse(found, class) {
				continue
			}
			switch order.kinds {
			case processOrder:
				class.first, class.rest = class.first.inSession(), class.rest.inSession()
			case realTime:
				class.first, class.rest = class.first.inRealTime(), class.rest.inRealTime()
			}
			name, effort := class.name+order.suffix, maxEffort
			if violation(name) && !known {
				effort = math.MaxInt
			}
			if cycle := findCycle(b, g, class, order.kinds, all, effort); cycle != nil {
				found = append(found, foundCycle{name, cycle})
				known = known || violation(name)
			}
		}
	}
	return found
}

// cycleSearch is what the search for cycles takes for each transaction, in bytes.
const cycleSearch = 64

// worse tells whether a cycle of the class, or of one that is part of it, was found already.
func worse(found []foundCycle, class cycleClass) bool {
	for _, f := range found {
		if strings.HasPrefix(f.name, class.name) {
			return true
		}
		if class.name == "G2-item" && (strings.HasPrefix(f.name, "G-single") || strings.HasPrefix(f.name, "G-nonadjacent")) {
			return true
		}
		if class.name == "G-nonadjacent" && strings.HasPrefix(f.name, "G-single") {
			return true
		}
	}
	return false
}

// maxEffort bounds how many transactions the search for one class may look at that decides nothing any more; where all
// depends on all, a class may so stay unseen behind the worse ones.
const maxEffort = 1_000_000

// findCycle finds a short cycle of a class, with at most the extra kinds of edges besides the class's.
func findCycle(b *bounds, g *graph, class cycleClass, extra dependency, within []int32, effort int) []edge {
	component := g.components(b, class.first|class.rest|extra, within)
	w := &walk{kinds: class.rest | extra, component: component, nonadjacent: class.nonadjacent, effort: effort}
	var best []edge
	for n := range component {
		if component[n] == noOperation {
			continue
		}
		for _, e := range g.out(int32(n)) {
			if e.kind&class.first == 0 || component[e.to] != component[n] {
				continue
			}
			if best != nil {
				w.effort = min(w.effort, maxEffort)
			}
			if w.effort <= 0 || b.stopped() || len(best) == 2 {
				return best
			}
			if cycle := g.cycle(b.ctx, e, w); cycle != nil && (best == nil || len(cycle) < len(best)) {
				best = cycle
			}
		}
	}
	return best
}

// cycleText tells a cycle step by step.
func (ts *txns) cycleText(cycle []edge) string {
	var steps []string
	for _, e := range cycle {
		steps = append(steps, ts.edgeText(e))
	}
	return strings.Join(steps, "; ")
}

func (ts *txns) edgeText(e edge) string {
	from, to := ts.name(e.from), ts.name(e.to)
	switch e.kind {
	case processOrder:
		return fmt.Sprintf("%s came before %s of the same client", from, to)
	case realTime:
		return fmt.Sprintf("%s had returned when %s was called", from, to)
	}
	if e.version == noVersion {
		return fmt.Sprintf("%s came before %s", from, to)
	}
	v := ts.versions[e.version]
	value, key := v.value.String(), ts.keyName(v.key)
	switch e.kind {
	case writeWrite:
		return fmt.Sprintf("%s wrote %s to key %s after %s had written it", to, value, key, from)
	case writeRead:
		return fmt.Sprintf("%s read %s in key %s, which %s wrote", to, value, key, from)
	case writeWriteByTime:
		return fmt.Sprintf("%s wrote %s to key %s after %s had written it, by the times of those who wrote and read it", to, value, key, from)
	case readWriteByTime:
		return fmt.Sprintf("%s read key %s as it was before %s wrote %s to it, by the times of those who wrote and read it", from, key, to, value)
	case writeWriteBySession:
		return fmt.Sprintf("%s wrote %s to key %s after %s had written it, by the order in which one client saw both", to, value, key, from)
	case readWriteBySession:
		return fmt.Sprintf("%s read key %s as it was before %s wrote %s to it, by the order in which one client saw both", from, key, to, value)
	}
	return fmt.Sprintf("%s read key %s before %s wrote %s to it", from, key, to, value)
}
