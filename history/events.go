package history

import (
	"cmp"
	"slices"
	"time"
)

// Events are the events of operations, such as Join makes operations of, in the order of time. What happened at one time
// is concurrent: there, invocations come first. An operation that never completed has no completion.
func Events(operations []Operation) []Event {
	type moment struct {
		time  time.Duration
		ret   bool
		event Event
	}
	var moments []moment
	for i := range operations {
		op := &operations[i]
		moments = append(moments, moment{op.Call, false, Event{Time: op.Call, Process: op.Process, Type: Invoke, F: op.F, Key: op.Key, Input: op.Input}})
		if op.Type == Info || op.Return == Forever {
			continue
		}
		moments = append(moments, moment{op.Return, true, Event{Time: op.Return, Process: op.Process, Type: op.Type, F: op.F, Key: op.Key,
			Output: op.Output, Node: op.Node, LogIndex: op.LogIndex, Error: op.Error}})
	}
	slices.SortStableFunc(moments, func(a, b moment) int {
		if c := cmp.Compare(a.time, b.time); c != 0 || a.ret == b.ret {
			return c
		}
		if a.ret {
			return 1
		}
		return -1
	})
	events := make([]Event, len(moments))
	for i, m := range moments {
		events[i] = m.event
		events[i].Index = i
	}
	return events
}
