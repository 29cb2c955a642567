package report

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// joined is an operation with the moment at which its client had an answer or gave up; history.Forever: neither.
type joined struct {
	history.Operation
	ended time.Duration
}

// follow joins the events of the input's history and hands over each operation when it ends, and at the end those that
// did not. It returns the time of the last event, and says what was wrong with the history; what stood before an error
// has been handed over.
func (in *Input) follow(take func(*joined)) (last time.Duration, problem string) {
	if in.Events == nil {
		return 0, ""
	}
	open := map[int]joined{}
	for e, err := range in.Events {
		if err != nil {
			problem = fmt.Sprintf("the history could not be read to its end; the plots show what stood before: %v", err)
			break
		}
		last = max(last, e.Time)
		if e.Process == history.NemesisProcess {
			continue
		}
		if e.Type == history.Invoke {
			open[e.Process] = joined{history.Operation{Process: e.Process, F: e.F, Key: e.Key, Input: e.Input, Call: e.Time,
				Late: e.Late, Return: history.Forever, Type: history.Info, Node: e.Node, Index: e.Index}, history.Forever}
			continue
		}
		j, ok := open[e.Process]
		if !ok {
			continue // a history that does not join; its reader says so
		}
		delete(open, e.Process)
		j.Type, j.Output, j.LogIndex, j.Error, j.Node, j.ended = e.Type, e.Output, e.LogIndex, e.Error, e.Node, e.Time
		if e.Type != history.Info {
			j.Return = e.Time
		}
		take(&j)
	}
	for _, process := range slices.Sorted(maps.Keys(open)) {
		j := open[process]
		take(&j)
	}
	return last, problem
}
