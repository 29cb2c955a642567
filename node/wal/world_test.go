package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// model is what a log should hold: the specification that the log is tested against.
type model struct {
	hard     raft.HardState
	position Position
	entries  []raft.Entry // after position
}

func (m model) last() Position {
	if n := len(m.entries); n > 0 {
		return Position{m.entries[n-1].Index, m.entries[n-1].Term}
	}
	return m.position
}

func (m model) term(index uint64) uint64 {
	if index == m.position.Index {
		return m.position.Term
	}
	return m.entries[index-m.position.Index-1].Term
}

func (m model) appended(b Batch) model {
	if b.HardState != nil {
		m.hard = *b.HardState
	}
	if len(b.Entries) > 0 {
		keep := b.Entries[0].Index - 1 - m.position.Index
		m.entries = append(slices.Clip(m.entries[:keep]), b.Entries...)
	}
	return m
}

func (m model) compacted(index uint64) model {
	if index > m.position.Index {
		p := Position{index, m.term(index)}
		m.entries, m.position = m.entries[index-m.position.Index:], p
	}
	return m
}

func (m model) reset(p Position) model { return model{hard: m.hard, position: p} }

func (m model) equal(o model) bool {
	return m.hard == o.hard && m.position == o.position && slices.EqualFunc(m.entries, o.entries, func(a, b raft.Entry) bool {
		return a.Term == b.Term && a.Index == b.Index && a.Kind == b.Kind && string(a.Data) == string(b.Data)
	})
}

func (m model) String() string {
	s := fmt.Sprintf("%v after %v:", m.hard, m.position)
	for _, e := range m.entries {
		s += fmt.Sprintf(" %d/%d(%d bytes %.4x)", e.Index, e.Term, len(e.Data), e.Data)
	}
	return s
}

func recoveredModel(r Recovered) model { return model{r.HardState, r.Snapshot, r.Entries} }

// world is a log on a disk that fails, beside the models that it may recover to.
type world struct {
	choose func(n int, what string) int // from 0 to n-1
	disk   *vfs.Mem
	opts   Options
	log    *Log
	// states are the models that a crash may leave: the first is durable, each later one has a batch more.
	states  []model
	counter byte
	fuse    int  // operations on the disk until one fails; below zero none does
	blown   bool // the fuse has
	power   bool // all operations after the failed one fail too: the power is gone
}

var errFuse = errors.New("the fuse has blown")

const dir = "data/wal"

// newWorld opens an empty log with small files, so that a few operations cross segments.
func newWorld(choose func(n int, what string) int) (*world, error) {
	w := &world{choose: choose, disk: vfs.NewMem(), fuse: -1, states: []model{{}}}
	w.opts = Options{
		ClusterID: 7, NodeID: 3, SegmentSize: int64(512 << choose(4, "segment size")), ZeroAhead: int64(256 << choose(4, "zero ahead")),
		BufferSize: 128 << choose(5, "buffer size"), Spares: choose(4, "spares") - 1,
	}
	return w, w.reopen()
}

func (w *world) now() model { return w.states[len(w.states)-1] }

// batch makes one that Raft could: mostly at the end, at times in place of a suffix.
func (w *world) batch() Batch {
	var b Batch
	m := w.now()
	hard := m.hard
	if w.choose(3, "new hard state") == 0 || hard.Term == 0 {
		hard.Term += uint64(w.choose(3, "terms on"))
		hard.Term = max(hard.Term, m.position.Term, 1)
		hard.Vote = raft.NodeID(w.choose(4, "vote"))
	}
	b.HardState = &hard
	first := m.last().Index + 1
	if w.choose(4, "conflict") == 0 && len(m.entries) > 0 {
		first -= uint64(1 + w.choose(len(m.entries), "suffix"))
	}
	term := m.term(first - 1)
	for i := range w.choose(4, "entries") {
		term = min(max(term, 1)+uint64(w.choose(2, "term")), max(hard.Term, term, 1))
		b.Entries = append(b.Entries, raft.Entry{
			Index: first + uint64(i), Term: term, Kind: raft.EntryKind(w.choose(3, "kind")), Data: w.data(),
		})
	}
	return b
}

// data is new, or the same as elsewhere, or zeros; now and then longer than a segment.
func (w *world) data() []byte {
	d := make([]byte, []int{0, 1, 7, 8, 40, 300, 600, 5000}[w.choose(8, "size")])
	switch w.choose(3, "fill") {
	case 0:
		w.counter++
		for i := range d {
			d[i] = w.counter
		}
	case 1:
		for i := range d {
			d[i] = 0xaa
		}
	}
	return d
}

func (w *world) append() error {
	b := w.batch()
	w.states = append(w.states, w.now().appended(b))
	return w.log.Append(b)
}

func (w *world) sync() error { return w.synced(w.log.Sync()) }

// synced forgets the older states once the newest is durable.
func (w *world) synced(err error) error {
	if err == nil {
		w.states = []model{w.now()}
	}
	return err
}

func (w *world) compact() error {
	m := w.now()
	index := m.position.Index + uint64(w.choose(len(m.entries)+1, "index"))
	w.states = append(w.states, m.compacted(index))
	term := m.term(index)
	if err := w.log.Compact(index, term); err != nil {
		return err
	}
	if index > m.position.Index {
		return w.synced(nil)
	}
	return nil
}

func (w *world) reset() error {
	m := w.now()
	p := Position{m.position.Index, m.position.Term}
	if ahead := w.choose(10, "ahead"); ahead > 0 {
		p = Position{p.Index + uint64(ahead), max(p.Term, 1) + uint64(w.choose(2, "term"))}
	}
	w.states = append(w.states, m.reset(p))
	return w.synced(w.log.Reset(p.Index, p.Term))
}

func (w *world) close() error {
	if err := w.synced(w.log.Close()); err != nil {
		return err
	}
	return w.reopen()
}

// light has the n-th operation on the disk from now fail.
func (w *world) light(n int, power bool) {
	w.fuse, w.power, w.blown = n, power, false
	w.disk.Inject(func(vfs.Op) error {
		if w.blown && w.power {
			return errFuse
		}
		w.fuse--
		if w.fuse >= 0 || w.blown {
			return nil
		}
		w.blown = true
		if w.choose(2, "error") == 0 {
			return fmt.Errorf("%w: %w", errFuse, syscall.ENOSPC)
		}
		return fmt.Errorf("%w: %w", errFuse, syscall.EIO)
	})
}

// reopen opens the log as it is and checks what it recovers.
func (w *world) reopen() error {
	log, recovered, err := Open(w.disk, dir, w.opts)
	if err != nil {
		return err
	}
	got := recoveredModel(recovered)
	for i := len(w.states) - 1; i >= 0; i-- {
		if got.equal(w.states[i]) {
			w.log, w.states = log, []model{w.states[i]}
			return nil
		}
	}
	return fmt.Errorf("recovered %v\nwhich is none of %v", got, w.states)
}

// restart ends the process, by a loss of power or without, and opens the log again; opening may fail on the way too.
func (w *world) restart() error {
	for try := 0; ; try++ {
		w.disk.Inject(nil)
		if w.blown && w.power || w.choose(2, "power") == 0 {
			w.disk.Crash(rand.New(rand.NewPCG(uint64(w.choose(1<<30, "seed")), 0)))
		} else {
			w.disk.Kill()
		}
		w.blown = false
		if try < 2 && w.choose(3, "fail while opening") == 0 {
			w.light(w.choose(40, "fuse"), w.choose(2, "power goes") == 0)
		}
		err := w.reopen()
		w.disk.Inject(nil)
		switch {
		case !w.blown:
			return err
		case err == nil:
			return errors.New("a failed operation was passed over while opening")
		case !errors.Is(err, errFuse):
			return err
		}
	}
}

// run does a few operations, of which one may fail at any operation on the disk, and restarts.
func (w *world) run() error {
	w.blown = false
	if w.choose(4, "fail") > 0 {
		w.light(w.choose(30, "fuse"), w.choose(2, "power goes") == 0)
	}
	for range w.choose(12, "operations") {
		if err := w.step(); errors.Is(err, errFuse) {
			if again := w.log.Sync(); again == nil || w.log.Append(Batch{}) != again {
				return fmt.Errorf("the log goes on after %v: %v", err, again)
			}
			break
		} else if err != nil {
			return err
		} else if w.blown {
			return errors.New("a failed operation was passed over")
		}
	}
	return w.restart()
}

func (w *world) step() error {
	switch w.choose(12, "operation") {
	case 0, 1, 2, 3, 4, 5:
		return w.append()
	case 6, 7, 8:
		return w.sync()
	case 9:
		return w.compact()
	case 10:
		if w.choose(3, "really") == 0 {
			return w.reset()
		}
		return w.append()
	default:
		return w.close()
	}
}
