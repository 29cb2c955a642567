package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

const (
	picturesBudget    = 1 << 20 // bytes of the page, packed
	pictureTime       = 5 * time.Second
	maxPictures       = 12
	pictureOperations = 300 // as many as a browser draws well
)

// pictures are porcupine's pictures of the keys that break the promise, of those undecided, and of a few others, as many as
// there is time and room for. Problems are what stands in the way of others.
func pictures(run *store.Run, v store.Verdict) (list []Picture, problems []string) {
	wanted := pictured(v)
	wanted = wanted[:min(len(wanted), maxPictures)]
	prefixes, err := prefixes(run, wanted)
	if err != nil {
		return nil, []string{fmt.Sprintf("porcupine's pictures: %v", err)}
	}
	left, end := picturesBudget, time.Now().Add(pictureTime)
	for _, w := range wanted {
		if len(list) > 0 && time.Now().After(end) {
			break
		}
		pic, err := draw(w, prefixes[w.key.Key])
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		if left -= len(packed(string(pic.HTML))); left < 0 {
			break
		}
		list = append(list, pic)
	}
	return list, problems
}

// PictureOf is porcupine's picture of one of the run's keys.
func PictureOf(run *store.Run, key string) (Picture, error) {
	v, err := run.Verdict()
	if err != nil {
		return Picture{}, err
	}
	for _, w := range pictured(v) {
		if shown(w.key.Key, keyShown) == key || w.key.Key == key {
			ops, err := prefixes(run, []drawable{w})
			if err != nil {
				return Picture{}, err
			}
			return draw(w, ops[w.key.Key])
		}
	}
	return Picture{}, fmt.Errorf("no checker that porcupine can draw judged a key %.60q in this run", key)
}

// draw draws the key's first operations, or its evidence where it has more than can be drawn.
func draw(w drawable, ops []history.Operation) (Picture, error) {
	count := w.key.Operations + w.key.Crashed
	pic := Picture{Key: w.key.Key, Note: pictureNote(w.key, count)}
	if w.key.Verdict == checker.Invalid && count > pictureOperations && len(w.key.Evidence) > 0 {
		ops = w.key.Evidence
		pic.Note = fmt.Sprintf("The operations that have no legal order, out of the key's %s.", thousands(count))
	}
	ops, names := renumbered(ops)
	pic.Note += names
	pic.Lanes = len(processLanes(ops))
	var out bytes.Buffer
	if err := checker.Visualize(&out, w.model, ops); err != nil {
		return Picture{}, fmt.Errorf("porcupine's picture of key %.60q: %w", w.key.Key, err)
	}
	pic.HTML = out.Bytes()
	return pic, nil
}

func pictureNote(key *checker.KeyResult, count int) string {
	note := "A key whose operations have a legal order."
	switch key.Verdict {
	case checker.Invalid:
		note = "A key whose operations have no legal order."
	case checker.Unknown:
		note = "A key that could not be decided."
	}
	if count > pictureOperations {
		note += fmt.Sprintf(" Its first %d operations of %s; those still open at the cut are shown without an answer.", pictureOperations, thousands(count))
	}
	return note
}

// renumbered counts the processes from 0 in the order of their first operation, because the picture has a lane for
// every number up to the highest, and says which is which.
func renumbered(ops []history.Operation) ([]history.Operation, string) {
	lanes := processLanes(ops)
	dense := slices.Clone(ops)
	for i := range dense {
		dense[i].Process = slices.Index(lanes, dense[i].Process)
	}
	if len(lanes) > 12 {
		return dense, " Its lanes are the processes in the order of their first operation."
	}
	var names []string
	for i, p := range lanes {
		names = append(names, fmt.Sprintf("%d is process %d", i, p))
	}
	return dense, " Its lanes: " + strings.Join(names, ", ") + "."
}

// drawable is a key that porcupine can draw.
type drawable struct {
	model checker.Model
	key   *checker.KeyResult
}

// pictured are the keys that can be drawn, those worth it most first.
func pictured(v store.Verdict) []drawable {
	models := checker.Models()
	var list []drawable
	for _, r := range v.Results {
		model, ok := models[r.Model]
		if !ok {
			continue
		}
		for i := range r.Keys {
			list = append(list, drawable{model, &r.Keys[i]})
		}
	}
	slices.SortStableFunc(list, func(a, b drawable) int { return worthier(a.key, b.key) })
	return list
}

// worthier orders invalid keys before undecided ones before valid ones, those with the least evidence first, then the
// busiest that can be drawn whole.
func worthier(a, b *checker.KeyResult) int {
	if c := cmp.Compare(severity(string(a.Verdict)), severity(string(b.Verdict))); c != 0 {
		return c
	}
	if a.Verdict == checker.Invalid {
		none := func(k *checker.KeyResult) bool { return len(k.Evidence) == 0 }
		if none(a) != none(b) {
			return cmp.Compare(len(b.Evidence), len(a.Evidence))
		}
		return cmp.Compare(len(a.Evidence), len(b.Evidence))
	}
	na, nb := a.Operations+a.Crashed, b.Operations+b.Crashed
	if na > pictureOperations || nb > pictureOperations {
		return cmp.Compare(na, nb)
	}
	return cmp.Compare(nb, na)
}

// prefixes reads the first operations of each key, as the verdict names it. Cutting a history in time leaves it
// linearizable when it was, if what is open at the cut is taken for unknown; cutting it by count would not.
func prefixes(run *store.Run, wanted []drawable) (map[string][]history.Operation, error) {
	found := map[string]*prefix{}
	for _, w := range wanted {
		found[w.key.Key] = &prefix{open: map[int]int{}}
	}
	if len(found) == 0 {
		return nil, nil
	}
	path, err := run.History()
	if err != nil {
		return nil, err
	}
	r, err := history.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if p := found[asInVerdict(e.Key)]; p != nil && e.Process != history.NemesisProcess {
			p.add(&e)
		}
	}
	list := map[string][]history.Operation{}
	for key, p := range found {
		list[key] = p.ops
	}
	return list, nil
}

// prefix is the first operations of a key. Once there are enough, nothing more is taken in: what is open stays as it was
// invoked, unknown.
type prefix struct {
	ops  []history.Operation
	open map[int]int // process to its operation
	full bool
}

func (p *prefix) add(e *history.Event) {
	if p.full {
		return
	}
	if e.Type == history.Invoke {
		if len(p.ops) == pictureOperations {
			p.full = true
			return
		}
		p.open[e.Process] = len(p.ops)
		p.ops = append(p.ops, history.Operation{
			Process: e.Process, F: e.F, Key: e.Key, Input: e.Input, Call: e.Time, Return: history.Forever,
			Type: history.Info, Node: e.Node, Index: e.Index,
		})
		return
	}
	i, ok := p.open[e.Process]
	if !ok {
		return
	}
	op := &p.ops[i]
	op.Type, op.Output, op.LogIndex, op.Error = e.Type, e.Output, e.LogIndex, e.Error
	if e.Type != history.Info {
		op.Return = e.Time
	}
}

// asInVerdict is a key of the history as the verdict's JSON has it, which cannot hold broken UTF-8.
func asInVerdict(key string) string {
	if utf8.ValidString(key) {
		return key
	}
	return string([]rune(key))
}
