package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// Lists keep the order of their versions: whoever reads a list sees all appends before it. The longest read of a key is
// the order of its versions, and all other reads must be its beginnings.

// anomalies that need no cycle, with what happened.
type direct struct {
	name string
	text string
	txns []int32
}

// listOrder is what the reads of lists say.
type listOrder struct {
	ts      *txns
	longest [][]int32 // by key: the versions in order
	reader  []int32   // by key: who saw the longest
	found   []direct
	edges   []edge
	reads   map[int32][]int32 // by key: committed transactions that read the longest list
}

// maxDirect bounds how many of the same are told.
const maxDirect = 10

func (o *listOrder) say(name string, txns []int32, format string, args ...any) {
	count := 0
	for i := range o.found {
		if o.found[i].name == name {
			count++
		}
	}
	if count < maxDirect {
		o.found = append(o.found, direct{name: name, text: fmt.Sprintf(format, args...), txns: txns})
	}
}

// dependenciesOfLists finds the dependencies between transactions on lists, and anomalies on the way.
func dependenciesOfLists(ts *txns) ([]edge, []direct) {
	o := &listOrder{ts: ts, longest: make([][]int32, len(ts.keys)), reader: make([]int32, len(ts.keys)), reads: make(map[int32][]int32)}
	o.findLongest()
	o.checkReads()
	o.findLostUpdates()
	o.linkVersions()
	o.linkReads()
	o.linkUnseen()
	return o.edges, o.found
}

func (o *listOrder) findLongest() {
	for t := range o.ts.all {
		if o.ts.stopped(t) {
			return
		}
		o.eachRead(int32(t), func(s *step) {
			if len(s.list) > len(o.longest[s.key]) {
				o.longest[s.key], o.reader[s.key] = s.list, int32(t)
			}
		})
	}
	for key, list := range o.longest {
		for _, v := range list {
			o.checkWriter(o.reader[key], v)
		}
		if v, twice := repeated(list); twice {
			o.say("duplicate-elements", []int32{o.reader[key]}, "%s read key %s with %v twice in it", o.name(o.reader[key]), o.ts.keyName(int32(key)), o.ts.versions[v].value)
		}
	}
}

// eachRead calls f for each read with a known outcome.
func (o *listOrder) eachRead(t int32, f func(s *step)) {
	tx := &o.ts.all[t]
	if !tx.committed() {
		return
	}
	for i := range tx.steps {
		if s := &tx.steps[i]; s.kind == stepRead {
			f(s)
		}
	}
}

func repeated(list []int32) (int32, bool) {
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return sorted[i], true
		}
	}
	return 0, false
}

func (o *listOrder) name(t int32) string { return o.ts.name(t) }

func (ts *txns) name(t int32) string {
	return fmt.Sprintf("process %d's transaction %d", ts.all[t].op.Process, ts.all[t].op.Index)
}

// checkReads holds each read against the order, the writers, and the transaction's own appends.
func (o *listOrder) checkReads() {
	for t := range o.ts.all {
		if o.ts.stopped(t) {
			return
		}
		t := int32(t)
		o.eachRead(t, func(s *step) {
			if order := o.longest[s.key]; !slices.Equal(s.list, order[:len(s.list)]) {
				o.say("incompatible-order", []int32{t, o.reader[s.key]}, "%s read key %s as %s, %s as %s: neither is the beginning of the other",
					o.name(t), o.ts.keyName(s.key), o.ts.listText(s.list), o.name(o.reader[s.key]), o.ts.listText(order))
				for _, v := range s.list {
					o.checkWriter(t, v)
				}
			}
		})
		o.checkInternal(t)
		o.ts.all[t].externalReads(func(s *step) { o.checkIntermediate(t, s) })
	}
}

// checkWriter finds reads of what was never written, or by a transaction that failed.
func (o *listOrder) checkWriter(t, v int32) {
	ver := &o.ts.versions[v]
	switch {
	case ver.writer == noOperation:
		o.say("garbage-read", []int32{t}, "%s read %v in key %s, which nobody wrote", o.name(t), ver.value, o.ts.keyName(ver.key))
	case o.ts.all[ver.writer].failed():
		o.say("G1a", []int32{ver.writer, t}, "%s wrote %v to key %s and failed, and %s read it", o.name(ver.writer), ver.value, o.ts.keyName(ver.key), o.name(t))
	}
}

// checkIntermediate finds a read that ends in the middle of another transaction.
func (o *listOrder) checkIntermediate(t int32, s *step) {
	v := s.last()
	if v == noVersion || o.ts.versions[v].final {
		return
	}
	if w := o.ts.versions[v].writer; w != noOperation && w != t {
		o.say("G1b", []int32{w, t}, "%s read %v in key %s, after which %s wrote the key again", o.name(t), o.ts.versions[v].value, o.ts.keyName(s.key), o.name(w))
	}
}

// checkInternal finds a read that does not continue what the transaction itself read and appended before.
func (o *listOrder) checkInternal(t int32) {
	tx := &o.ts.all[t]
	if !tx.committed() || len(tx.steps) < 2 {
		return
	}
	for i := range tx.steps {
		s := &tx.steps[i]
		if s.kind != stepRead {
			o.checkOwnAppend(t, tx.steps[:i], s)
			continue
		}
		if !touched(tx.steps[:i], s.key) {
			continue
		}
		base, appended := before(tx.steps[:i], s.key)
		want := append(slices.Clone(base), appended...)
		if base == nil { // nothing read before: the own appends must be at the end
			want = appended
			if n := len(s.list) - len(appended); n >= 0 && slices.Equal(s.list[n:], appended) {
				continue
			}
		} else if slices.Equal(s.list, want) {
			continue
		}
		o.say("internal", []int32{t}, "%s read key %s as %s, though what it had read and appended itself ends in %s",
			o.name(t), o.ts.keyName(s.key), o.ts.listText(s.list), o.ts.listText(want))
	}
}

// checkOwnAppend finds a read of what the transaction appends only afterwards.
func (o *listOrder) checkOwnAppend(t int32, earlier []step, appends *step) {
	for i := range earlier {
		if s := &earlier[i]; s.kind == stepRead && s.key == appends.key && slices.Contains(s.list, appends.version) {
			o.say("internal", []int32{t}, "%s read %v in key %s, which it appended only later", o.name(t), o.ts.versions[appends.version].value, o.ts.keyName(s.key))
		}
	}
}

// before is the last read of a key among steps (nil: none; empty: an empty list), and the appends after it.
func before(steps []step, key int32) (base, appended []int32) {
	for i := range steps {
		s := &steps[i]
		switch {
		case s.key != key:
		case s.kind == stepRead:
			base, appended = append([]int32{}, s.list...), nil
		default:
			appended = append(appended, s.version)
		}
	}
	return base, appended
}

// findLostUpdates finds transactions that saw the same list and both appended to it.
func (o *listOrder) findLostUpdates() {
	o.ts.lostUpdates(func(one, two int32, s *step) {
		o.say("lost-update", []int32{one, two}, "%s and %s both read key %s as %s and appended to it", o.name(one), o.name(two), o.ts.keyName(s.key), o.ts.listText(s.list))
	})
}

// link adds an edge between different transactions that may have taken effect.
func (o *listOrder) link(from, to int32, kind dependency, v int32) {
	o.edges = o.ts.link(o.edges, from, to, kind, v)
}

func (ts *txns) link(edges []edge, from, to int32, kind dependency, v int32) []edge {
	if from == to || from == noOperation || to == noOperation || ts.all[from].failed() || ts.all[to].failed() {
		return edges
	}
	edges, err := history.Grown(ts.room, edges)
	if err != nil {
		ts.b.outOfMemory()
		return edges
	}
	return append(edges, edge{from: from, to: to, kind: kind, version: v})
}

func (o *listOrder) writer(v int32) int32 { return o.ts.versions[v].writer }

// linkVersions links the writers of versions that follow each other.
func (o *listOrder) linkVersions() {
	for _, order := range o.longest {
		for i := 1; i < len(order); i++ {
			o.link(o.writer(order[i-1]), o.writer(order[i]), writeWrite, order[i])
		}
	}
}

// linkReads links what a transaction read with it, and it with what came next.
func (o *listOrder) linkReads() {
	for t := range o.ts.all {
		if o.ts.stopped(t) {
			return
		}
		t := int32(t)
		o.ts.all[t].externalReads(func(s *step) {
			order := o.longest[s.key]
			n := len(s.list)
			if !slices.Equal(s.list, order[:n]) {
				return
			}
			if n > 0 {
				o.link(o.writer(s.list[n-1]), t, writeRead, s.list[n-1])
			}
			if n < len(order) {
				o.link(t, o.writer(order[n]), readWrite, order[n])
			} else {
				o.reads[s.key] = append(o.reads[s.key], t)
			}
		})
	}
}

// Of the appends of one key that nobody read, those that returned first count: many of them where few read the key, and a
// few in any case.
const (
	fewUnseen   = 8
	unseenEdges = 1 << 16
)

// linkUnseen links to appends that surely happened and that no read shows: they are behind all that was read. A transaction
// with an unknown outcome happened if a read shows any of its appends.
func (o *listOrder) linkUnseen() {
	shown := make([]bool, len(o.ts.versions))
	happened := make([]bool, len(o.ts.all))
	for t := range o.ts.all {
		happened[t] = o.ts.all[t].committed()
	}
	for _, order := range o.longest {
		for _, v := range order {
			shown[v] = true
			if w := o.writer(v); w != noOperation && !o.ts.all[w].failed() {
				happened[w] = true
			}
		}
	}
	unseen := make(map[int32][]int32) // by key
	for v := range o.ts.versions {
		ver := &o.ts.versions[v]
		if !shown[v] && ver.writer != noOperation && happened[ver.writer] {
			unseen[ver.key] = append(unseen[ver.key], int32(v))
		}
	}
	for key := range int32(len(o.ts.keys)) {
		versions, order, reads := unseen[key], o.longest[key], o.reads[key]
		slices.SortStableFunc(versions, func(a, b int32) int {
			return cmp.Compare(o.ts.all[o.writer(a)].op.Return, o.ts.all[o.writer(b)].op.Return)
		})
		for _, v := range versions[:min(len(versions), max(fewUnseen, unseenEdges/max(len(reads), 1)))] {
			if len(order) > 0 {
				o.link(o.writer(order[len(order)-1]), o.writer(v), writeWrite, v)
			}
			for _, t := range reads {
				o.link(t, o.writer(v), readWrite, v)
			}
		}
	}
}

// listText is the end of a list for people.
func (ts *txns) listText(list []int32) string {
	const most = 12
	var words []string
	if len(list) > most {
		words = append(words, "...")
		list = list[len(list)-most:]
	}
	for _, v := range list {
		words = append(words, ts.versions[v].value.String())
	}
	return "[" + strings.Join(words, " ") + "]"
}
