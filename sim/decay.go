package sim

import (
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/vfs"
)

// decay flips a bit at rest on a copy of the disk of a node that is down, and tries to start the node on it. It has to refuse, or to
// find all that was durable; then it goes on with the intact disk, as if somebody had put the copy back: a node that lost its
// log for good is not what Raft survives in any number. Sure to be noticed is damage to what something synced later vouches for;
// see package wal.
func (n *simNode) decay(in *Injection) {
	w := n.world
	draw := func(what int32, below int64) int64 {
		return int64(w.decider.Draw(Choice{Kind: Target, From: int32(n.id), To: what, Seq: uint64(in.ID)}, uint64(below)))
	}
	files := n.decayable()
	if len(files) == 0 {
		return
	}
	file := files[draw(1, int64(len(files)))]
	disk := n.mem.Clone()
	if err := disk.Flip(file.name, draw(2, file.size), 1<<draw(3, 8)); err != nil {
		w.fail(err)
		return
	}
	w.coverage.Count(BitsFlipped)
	o := n.options()
	o.FS = disk
	engine, err := node.OpenEngine(o)
	if err != nil {
		w.coverage.Count(DecayRefused)
		return
	}
	hard, start, entries, newest := engine.Recovered()
	w.judge.wouldStart(n, hard, start, entries, newest)
}

// decaying is a file of which a bit below size may be flipped.
type decaying struct {
	name string
	size int64
}

// decayable are the node's files with damage that is sure to be noticed: snapshots, old segments of the log, and the settled part of
// the current one.
func (n *simNode) decayable() []decaying {
	var files []decaying
	add := func(dir, suffix string) {
		names, err := n.mem.List(dir)
		if err != nil {
			return // it has not got that far
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, suffix) })
		for i, name := range names {
			path := dir + "/" + name
			size := n.mem.Settled(path)
			if suffix != ".wal" || i < len(names)-1 {
				size = length(n.mem, path)
			}
			if size > 0 {
				files = append(files, decaying{path, size})
			}
		}
	}
	add(dataFolder, ".wal")
	add(dataFolder+"/snapshots", ".snap")
	return files
}

func length(fs vfs.FS, name string) int64 {
	f, err := fs.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0
	}
	return size
}
