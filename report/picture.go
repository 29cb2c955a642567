package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

const (
	pictureBudget     = 1_500_000 // bytes of the page
	pictureOperations = 300       // as many as a browser draws well
)

// models are those whose names stand in verdicts.
func modelNamed(name string) (checker.Model, bool) {
	for _, m := range []checker.Model{checker.Register(), checker.KVAppend()} {
		if m.Name == name {
			return m, true
		}
	}
	return checker.Model{}, false
}

// picture is porcupine's picture of the key that breaks the promise, or of a sample where none does.
func picture(run *store.Run, v store.Verdict) (Picture, error) {
	model, key := pictured(v)
	if key == nil {
		return Picture{Note: "No checker that porcupine can draw judged a key in this run."}, nil
	}
	pic := Picture{Key: key.Key}
	count := key.Operations + key.Crashed
	ops := key.Evidence
	switch {
	case key.Verdict == checker.Invalid && count > pictureOperations && len(ops) > 0:
		pic.Note = fmt.Sprintf("The operations that have no legal order, out of the key's %s.", thousands(count))
	default:
		var err error
		if ops, err = prefix(run, key.Key); err != nil {
			return Picture{}, fmt.Errorf("porcupine's picture: %w", err)
		}
		pic.Note = pictureNote(key, count)
	}
	ops, names := renumbered(ops)
	pic.Note += names
	pic.Lanes = len(processLanes(ops))
	var out bytes.Buffer
	if err := checker.Visualize(&out, model, ops); err != nil {
		return Picture{}, fmt.Errorf("porcupine's picture of key %.60q: %w", key.Key, err)
	}
	pic.HTML = out.Bytes()
	return pic, nil
}

func pictureNote(key *checker.KeyResult, count int) string {
	note := "A sample: one of the keys whose operations have a legal order."
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

// pictured chooses an invalid key with the least evidence; else the busiest valid one that can be drawn whole, else
// any valid one, else any.
func pictured(v store.Verdict) (checker.Model, *checker.KeyResult) {
	var model checker.Model
	var best *checker.KeyResult
	for _, r := range v.Results {
		m, ok := modelNamed(r.Model)
		if !ok {
			continue
		}
		for i := range r.Keys {
			if k := &r.Keys[i]; best == nil || worthier(k, best) {
				model, best = m, k
			}
		}
	}
	return model, best
}

func worthier(a, b *checker.KeyResult) bool {
	if a.Verdict != b.Verdict {
		rank := map[checker.Verdict]int{checker.Invalid: 2, checker.Valid: 1}
		return rank[a.Verdict] > rank[b.Verdict]
	}
	if a.Verdict == checker.Invalid {
		return len(a.Evidence) > 0 && (len(b.Evidence) == 0 || len(a.Evidence) < len(b.Evidence))
	}
	na, nb := a.Operations+a.Crashed, b.Operations+b.Crashed
	if (na > pictureOperations) != (nb > pictureOperations) {
		return na <= pictureOperations
	}
	if na > pictureOperations {
		return na < nb
	}
	return na > nb
}

// prefix reads the first operations of a key. Cutting a history in time leaves it linearizable when it was, if
// what is open at the cut is taken for unknown; cutting it by count would not.
func prefix(run *store.Run, key string) ([]history.Operation, error) {
	path, err := run.History()
	if err != nil {
		return nil, err
	}
	r, err := history.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var ops []history.Operation
	open := map[int]int{} // process to its operation
	for {
		e, err := r.Next()
		if err == io.EOF {
			return ops, nil
		}
		if err != nil {
			return nil, err
		}
		if e.Process == history.NemesisProcess || !sameKey(e.Key, key) {
			continue
		}
		if e.Type == history.Invoke {
			if len(ops) == pictureOperations {
				return ops, nil // what is open stays as it was invoked: unknown
			}
			open[e.Process] = len(ops)
			ops = append(ops, history.Operation{
				Process: e.Process, F: e.F, Key: e.Key, Input: e.Input, Call: e.Time, Return: history.Forever,
				Type: history.Info, Node: e.Node, Index: e.Index,
			})
			continue
		}
		op := &ops[open[e.Process]]
		op.Type, op.Output, op.LogIndex, op.Error = e.Type, e.Output, e.LogIndex, e.Error
		if e.Type != history.Info {
			op.Return = e.Time
		}
	}
}

// sameKey compares a key of the history with one from the verdict's JSON, which cannot hold broken UTF-8.
func sameKey(inHistory, inVerdict string) bool {
	return inHistory == inVerdict || string([]rune(inHistory)) == inVerdict
}
