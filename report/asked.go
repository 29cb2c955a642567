package report

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// MaxAsked is how many operations an answer holds at most: the first of those that are asked for.
const MaxAsked = 50_000

// Asked says which of a run's operations are asked for: those that were under way in a part of the test.
type Asked struct {
	From, To time.Duration
	Key      string // as the page shows it; empty: of all keys
	most     int    // 0: MaxAsked
}

// Operations writes those of the run's operations that are asked for, in the columns in which a page holds its own. Its stretch
// says how far the answer goes.
func Operations(ctx context.Context, w io.Writer, run *store.Run, a Asked) error {
	test, err := run.Test()
	if err != nil {
		return err
	}
	path, err := run.History()
	if err != nil {
		return err
	}
	a.most = cmp.Or(a.most, MaxAsked)
	sift := &sift{asked: a, reached: a.To, open: map[int]bool{}}
	in := Input{Test: test, Events: sift.events(ctx, events(path))}
	var ops operations
	if _, problem := in.follow(func(j *joined) { ops.list = append(ops.list, *j) }); problem != "" {
		return fmt.Errorf("%s", problem)
	}
	ops.list = slices.DeleteFunc(ops.list, func(j joined) bool { return j.ended < a.From })
	slices.SortStableFunc(ops.list, func(a, b joined) int { return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Index, b.Index)) })
	ops.total = len(ops.list)
	ops.stretches = []stretch{{a.From, sift.reached}}
	if err := json.NewEncoder(w).Encode(ops.columns(in, max(a.To, time.Millisecond))); err != nil {
		return fmt.Errorf("writing the operations: %w", err)
	}
	return nil
}

// sift lets through the events of the operations that are asked for, and ends once all of them are through.
type sift struct {
	asked   Asked
	open    map[int]bool // processes whose operation was let through
	taken   int
	reached time.Duration // where the answer ends: it has as many as it may have
}

func (s *sift) events(ctx context.Context, all iter.Seq2[history.Event, error]) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		count := 0
		for e, err := range all {
			if count++; err == nil && count%1024 == 0 {
				err = ctx.Err()
			}
			if err != nil {
				yield(e, err)
				return
			}
			if e.Time > s.reached && len(s.open) == 0 {
				return
			}
			if s.passes(&e) && !yield(e, nil) {
				return
			}
		}
	}
}

func (s *sift) passes(e *history.Event) bool {
	if e.Process == history.NemesisProcess {
		return false
	}
	if e.Type != history.Invoke {
		open := s.open[e.Process]
		delete(s.open, e.Process)
		return open
	}
	if e.Time > s.reached || s.asked.Key != "" && shown(e.Key, keyShown) != s.asked.Key {
		return false
	}
	if e.Time >= s.asked.From {
		if s.taken == s.asked.most {
			s.reached = e.Time
			return false
		}
		s.taken++
	}
	s.open[e.Process] = true
	return true
}
