package checker

import "fmt"

// Registers forget: a read shows one version and not those before it. The order of a key's versions is known in parts:
// nil comes before all, and a transaction that read one version and then wrote another put the second after the first.

// registerOrder is what transactions on registers say.
type registerOrder struct {
	ts      *txns
	found   []direct
	edges   []edge
	readers [][]int32         // by version: who read it, from outside
	after   map[int32][]int32 // by version: the versions known to follow it
	first   [][]int32         // by key: written versions not known to follow another
	nils    [][]int32         // by key: who read nil
}

// dependenciesOfRegisters finds the dependencies between transactions on registers, and anomalies on the way.
func dependenciesOfRegisters(ts *txns) ([]edge, []direct) {
	o := &registerOrder{ts: ts, readers: make([][]int32, len(ts.versions)), after: make(map[int32][]int32),
		first: make([][]int32, len(ts.keys)), nils: make([][]int32, len(ts.keys))}
	for t := range ts.all {
		if ts.stopped(t) {
			break
		}
		o.checkReads(int32(t))
		o.checkInternal(int32(t))
	}
	o.orderVersions()
	o.findLostUpdates()
	o.linkVersions()
	o.linkBySession()
	o.linkByTime()
	return o.edges, o.found
}

func (o *registerOrder) say(name string, txns []int32, format string, args ...any) {
	l := listOrder{found: o.found}
	l.say(name, txns, format, args...)
	o.found = l.found
}

// checkReads finds reads of what was never written, failed, or was overwritten by its own writer, and links the others.
func (o *registerOrder) checkReads(t int32) {
	o.ts.all[t].externalReads(func(s *step) {
		if s.version == noVersion {
			o.nils[s.key] = append(o.nils[s.key], t)
			return
		}
		v := &o.ts.versions[s.version]
		name, key := o.ts.name, o.ts.keyName(s.key)
		switch {
		case v.writer == noOperation:
			o.say("garbage-read", []int32{t}, "%s read %v in key %s, which nobody wrote", name(t), v.value, key)
		case o.ts.all[v.writer].failed():
			o.say("G1a", []int32{v.writer, t}, "%s wrote %v to key %s and failed, and %s read it", name(v.writer), v.value, key, name(t))
		case v.writer == t:
			o.say("internal", []int32{t}, "%s read %v in key %s, which it wrote only later", name(t), v.value, key)
		default:
			if !v.final {
				o.say("G1b", []int32{v.writer, t}, "%s read %v in key %s, which %s overwrote itself", name(t), v.value, key, name(v.writer))
			}
			o.readers[s.version] = append(o.readers[s.version], t)
			o.edges = o.ts.link(o.edges, v.writer, t, writeRead, s.version)
		}
	})
}

// checkInternal finds a read that does not show what the transaction itself read or wrote last.
func (o *registerOrder) checkInternal(t int32) {
	tx := &o.ts.all[t]
	if !tx.committed() {
		return
	}
	for i := range tx.steps {
		s := &tx.steps[i]
		if s.kind != stepRead || !touched(tx.steps[:i], s.key) {
			continue
		}
		last := noVersion
		for _, earlier := range tx.steps[:i] {
			if earlier.key == s.key {
				last = earlier.version
			}
		}
		if s.version != last {
			o.say("internal", []int32{t}, "%s read key %s as %s, though it had itself read or written %s",
				o.ts.name(t), o.ts.keyName(s.key), o.text(s.version), o.text(last))
		}
	}
}

func (o *registerOrder) text(v int32) string {
	if v == noVersion {
		return "nil"
	}
	return fmt.Sprint(o.ts.versions[v].value)
}

// orderVersions finds what versions follow each other: those a transaction writes one after another, and what it read
// before.
func (o *registerOrder) orderVersions() {
	follows := make([]bool, len(o.ts.versions))
	for t := range o.ts.all {
		tx := &o.ts.all[t]
		if tx.failed() {
			continue
		}
		for i := range tx.steps {
			s := &tx.steps[i]
			if s.kind != stepWrite {
				continue
			}
			if v := previous(tx, i); v != noVersion && o.ts.versions[v].writer != noOperation && v != s.version {
				o.after[v] = append(o.after[v], s.version)
				follows[s.version] = true
			}
		}
	}
	for v := range o.ts.versions {
		if ver := &o.ts.versions[v]; !follows[v] && ver.writer != noOperation && !o.ts.all[ver.writer].failed() {
			o.first[ver.key] = append(o.first[ver.key], int32(v))
		}
	}
}

// previous is the version of the key that the transaction had before it at step i, or noVersion.
func previous(tx *txn, i int) int32 {
	for j := i - 1; j >= 0; j-- {
		if s := &tx.steps[j]; s.key == tx.steps[i].key {
			if s.kind == stepRead && !s.known {
				return noVersion
			}
			return s.version
		}
	}
	return noVersion
}

// findLostUpdates finds transactions that read the same version of a key and both replaced it.
func (o *registerOrder) findLostUpdates() {
	o.ts.lostUpdates(func(one, two int32, s *step) {
		o.say("lost-update", []int32{one, two}, "%s and %s both read key %s as %s and replaced it", o.ts.name(one), o.ts.name(two), o.ts.keyName(s.key), o.text(s.version))
	})
}

// Of the edges from readers of nil to the writes of one key there are this many, and to a few writes for each reader in any
// case.
const (
	nilEdges = 1 << 16
	fewFirst = 64
)

// linkVersions links writers of versions that follow each other, and readers with what replaced what they read.
func (o *registerOrder) linkVersions() {
	for v := range int32(len(o.ts.versions)) {
		for _, w := range o.after[v] {
			o.edges = o.ts.link(o.edges, o.ts.versions[v].writer, o.ts.versions[w].writer, writeWrite, w)
			for _, t := range o.readers[v] {
				o.edges = o.ts.link(o.edges, t, o.ts.versions[w].writer, readWrite, w)
			}
		}
	}
	for key, readers := range o.nils {
		for _, v := range o.first[key][:min(len(o.first[key]), max(fewFirst, nilEdges/max(len(readers), 1)))] {
			for _, t := range readers {
				o.edges = o.ts.link(o.edges, t, o.ts.versions[v].writer, readWrite, v)
			}
		}
	}
}
