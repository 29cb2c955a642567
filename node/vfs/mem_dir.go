package vfs

import (
	"maps"
	"math/rand/v2"
)

// memDir is a folder: the names as processes see them, as they surely are on disk, and the changes between the two.
type memDir struct {
	seen    map[string]*memFile
	disk    map[string]*memFile
	pending []link
}

// link is a change of names: file gets the name to (a create), loses from (a remove), or both (a rename).
type link struct {
	from, to string
	file     *memFile
}

func newMemDir() *memDir {
	return &memDir{seen: map[string]*memFile{}, disk: map[string]*memFile{}}
}

func (d *memDir) change(l link) {
	l.apply(d.seen)
	d.pending = append(d.pending, l)
}

func (d *memDir) sync() {
	for _, l := range d.pending {
		l.apply(d.disk)
	}
	d.pending = nil
}

func (d *memDir) crash(rng *rand.Rand) {
	for _, l := range d.pending {
		if rng.IntN(2) == 0 {
			l.apply(d.disk)
		}
	}
	d.pending = nil
	d.seen = maps.Clone(d.disk)
}

// forget loses all that is pending.
func (d *memDir) forget() {
	d.pending, d.seen = nil, maps.Clone(d.disk)
	for _, f := range d.disk {
		f.forget()
	}
}

// apply also holds where earlier changes were lost: a file has one name, whichever it had before.
func (l link) apply(names map[string]*memFile) {
	if l.to == "" {
		if names[l.from] == l.file {
			delete(names, l.from)
		}
		return
	}
	maps.DeleteFunc(names, func(_ string, f *memFile) bool { return f == l.file })
	names[l.to] = l.file
}

func (d *memDir) clone(copies map[*memFile]*memFile) *memDir {
	copied := func(f *memFile) *memFile {
		if copies[f] == nil {
			copies[f] = f.clone()
		}
		return copies[f]
	}
	c := newMemDir()
	for name, f := range d.seen {
		c.seen[name] = copied(f)
	}
	for name, f := range d.disk {
		c.disk[name] = copied(f)
	}
	for _, l := range d.pending {
		c.pending = append(c.pending, link{from: l.from, to: l.to, file: copied(l.file)})
	}
	return c
}
