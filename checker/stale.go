package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// StaleRead is the name of reads that may be old; see StaleReads.
const StaleRead = "get-stale"

// StaleReads checks reads of registers that a replica answers from what it has applied ("get-stale"). They need not be
// fresh, but they promise something all the same, which the log indices of the answers tell:
//
//   - a read at a log index shows what the writes up to it had left there (it is a prefix of the log);
//   - no read shows what was invoked only after it returned (nothing is from the future);
//   - a node does not go back: its next read is at the same index or a later one. A node that was started again in between
//     may, so that this is held against reads only while no fault stands, or stood, that can end a node at a moment that no record tells.
//
// It needs every value to be written to a key once. What other reads saw is none of its business.
func StaleReads() Checker { return staleReads{} }

type staleReads struct{}

func (staleReads) Name() string { return "stale-reads" }

func (c staleReads) Check(ctx context.Context, h *history.History, o Options) Result {
	start := time.Now()
	ctx, cancel := o.within(ctx, "the time for the check")
	defer cancel()
	result := Result{Checker: c.Name(), Verdict: Valid, Model: "stale-register"}
	l := &staleLog{byValue: map[staleValue]*history.Operation{}}
	if why := l.read(h); why != "" {
		result.Verdict, result.Reason = Unknown, why
	}
	for _, find := range []func() *staleConflict{l.notInPrefix, l.fromTheFuture, l.backInTime} {
		if result.Verdict != Valid {
			break
		}
		if ctx.Err() != nil {
			result.Verdict, result.Reason = Unknown, context.Cause(ctx).Error()
		} else if conflict := find(); conflict != nil {
			result.Verdict, result.Reason = Invalid, conflict.text
			result.Anomalies = []Anomaly{{Name: "stale-read", Level: "prefix-consistency", Text: conflict.text, Operations: conflict.operations}}
		}
	}
	result.Figures = []Figure{{Name: "stale reads checked", Value: float64(len(l.reads))}}
	result.Elapsed = time.Since(start)
	return result
}

type staleConflict struct {
	text       string
	operations []history.Operation
}

func staleConflictOf(text string, ops ...*history.Operation) *staleConflict {
	c := &staleConflict{text: text}
	for _, op := range ops {
		c.operations = append(c.operations, *op)
	}
	return c
}

// staleValue is a value of a key.
type staleValue struct{ key, value string }

// staleLog is what a history tells of the log.
type staleLog struct {
	writes  []*history.Operation // with a known index, by index
	reads   []*history.Operation // by index
	byValue map[staleValue]*history.Operation
	ends    []stretch // in which nodes may have ended and been started again, by when they begin
}

// read sorts the history; it says why it cannot be judged.
func (l *staleLog) read(h *history.History) string {
	for i := range h.Operations {
		op := &h.Operations[i]
		switch {
		case op.F == StaleRead && op.Type == history.OK:
			if op.LogIndex > 0 || !op.Output.IsNil() {
				l.reads = append(l.reads, op)
			}
			continue
		case op.F != "put" && op.F != "cas":
			continue
		}
		wrote := registerMention(op).writes
		if len(wrote) == 0 {
			continue
		}
		id := staleValue{op.Key, valueID(wrote[0])}
		if l.byValue[id] != nil {
			return fmt.Sprintf("key %q: %v is written twice, so that nobody can tell which of the writes a read shows", op.Key, wrote[0])
		}
		l.byValue[id] = op
		if op.Type == history.OK && op.LogIndex > 0 {
			l.writes = append(l.writes, op)
		}
	}
	byIndex := func(a, b *history.Operation) int { return cmp.Compare(a.LogIndex, b.LogIndex) }
	slices.SortStableFunc(l.writes, byIndex)
	slices.SortStableFunc(l.reads, byIndex)
	l.ends = endsOf(h.Nemesis)
	return ""
}

// staleKey is a key on the way through the log.
type staleKey struct {
	value   string             // its JSON, as far as reads and writes tell
	by      *history.Operation // who told: the write, or the first read that saw a crashed write
	at      uint64             // the index of the last read that saw it
	reader  *history.Operation // that one; nil: none yet
	settled map[string]bool    // values that were there and are gone
}

// notInPrefix goes through reads and writes in the order of the log and finds a read that does not show what is there. A
// crashed write has no known index: it may have taken effect at any, but once it was replaced it is gone.
func (l *staleLog) notInPrefix() *staleConflict {
	keys := map[string]*staleKey{}
	at := func(key string) *staleKey {
		if keys[key] == nil {
			keys[key] = &staleKey{value: valueID(history.Nil), settled: map[string]bool{}}
		}
		return keys[key]
	}
	next := 0
	for _, r := range l.reads {
		for ; next < len(l.writes) && l.writes[next].LogIndex <= r.LogIndex; next++ {
			w := l.writes[next]
			at(w.Key).become(valueID(registerMention(w).writes[0]), w)
		}
		k, saw := at(r.Key), valueID(r.Output)
		if saw == k.value {
			k.at, k.reader = r.LogIndex, r
			continue
		}
		w := l.byValue[staleValue{r.Key, saw}]
		crashed := w != nil && w.Type == history.Info
		if crashed && !k.settled[saw] && k.at < r.LogIndex { // there has to be an index left for it
			k.become(saw, r)
			k.at, k.reader = r.LogIndex, r
			continue
		}
		return k.conflict(r, w)
	}
	return nil
}

func (k *staleKey) become(value string, by *history.Operation) {
	k.settled[k.value] = true
	k.value, k.by, k.reader, k.at = value, by, nil, by.LogIndex
}

// conflict says what is wrong with a read of something else than is there.
func (k *staleKey) conflict(r, w *history.Operation) *staleConflict {
	what := fmt.Sprintf("%s read %v in key %q at log index %d of %s", process(r), r.Output, r.Key, r.LogIndex, r.Node)
	ops := []*history.Operation{r}
	if k.by != nil {
		ops = append(ops, k.by)
	}
	switch {
	case w == nil && !r.Output.IsNil():
		return staleConflictOf(what+", which nobody had written", r)
	case w != nil && w.Type == history.Fail:
		return staleConflictOf(fmt.Sprintf("%s, though %s's write of it had failed", what, process(w)), w, r)
	case w != nil && w.LogIndex > r.LogIndex:
		return staleConflictOf(fmt.Sprintf("%s, which %s wrote at index %d only", what, process(w), w.LogIndex), w, r)
	case k.by == nil:
		return staleConflictOf(what+", where nothing had been written yet", ops...)
	case k.by.F == StaleRead:
		return staleConflictOf(fmt.Sprintf("%s, though %s had read %s there at index %d", what, process(k.by), k.value, k.by.LogIndex), ops...)
	}
	return staleConflictOf(fmt.Sprintf("%s, which %s's write of %s at index %d had replaced", what, process(k.by), k.value, k.by.LogIndex), ops...)
}

// fromTheFuture finds a read at the index of a write, or a later one, that returned before the write was invoked.
func (l *staleLog) fromTheFuture() *staleConflict {
	var latest *history.Operation // called last among the writes so far
	next := 0
	for _, r := range l.reads {
		for ; next < len(l.writes) && l.writes[next].LogIndex <= r.LogIndex; next++ {
			if w := l.writes[next]; latest == nil || w.Call > latest.Call {
				latest = w
			}
		}
		if latest != nil && latest.Call > r.Return {
			return staleConflictOf(fmt.Sprintf("%s read key %q at log index %d of %s before %s invoked the write that is entry %d",
				process(r), r.Key, r.LogIndex, r.Node, process(latest), latest.LogIndex), r, latest)
		}
		if w := l.byValue[staleValue{r.Key, valueID(r.Output)}]; w != nil && w.Call > r.Return {
			return staleConflictOf(fmt.Sprintf("%s read %v in key %q before %s invoked its write of it", process(r), r.Output, r.Key, process(w)), r, w)
		}
	}
	return nil
}

// backInTime finds a read of a node at an index before that of an earlier read of it.
func (l *staleLog) backInTime() *staleConflict {
	byCall := slices.Clone(l.reads)
	slices.SortStableFunc(byCall, func(a, b *history.Operation) int { return compareTimes(a.Call, b.Call) })
	byReturn := slices.Clone(l.reads)
	slices.SortStableFunc(byReturn, func(a, b *history.Operation) int { return compareTimes(a.Return, b.Return) })
	type stay struct {
		node  string
		epoch int
	}
	highest := map[stay]*history.Operation{} // of the reads that had returned
	next := 0
	for _, r := range byCall {
		for ; next < len(byReturn) && byReturn[next].Return < r.Call; next++ {
			before := byReturn[next]
			if epoch, whole := l.epoch(before); whole {
				s := stay{before.Node, epoch}
				if old := highest[s]; old == nil || old.LogIndex < before.LogIndex {
					highest[s] = before
				}
			}
		}
		epoch, whole := l.epoch(r)
		if before := highest[stay{r.Node, epoch}]; whole && before != nil && before.LogIndex > r.LogIndex {
			return staleConflictOf(fmt.Sprintf("%s went back: %s read at log index %d, and %s at %d after that had returned",
				r.Node, process(before), before.LogIndex, process(r), r.LogIndex), before, r)
		}
	}
	return nil
}

// Except is a checker of a history without the operations of one name.
func Except(f string, c Checker) Checker { return except{f, c} }

type except struct {
	f string
	Checker
}

func (e except) Check(ctx context.Context, h *history.History, o Options) Result {
	part := *h
	part.Operations = slices.DeleteFunc(slices.Clone(h.Operations), func(op history.Operation) bool { return op.F == e.f })
	return e.Checker.Check(ctx, &part, o)
}
