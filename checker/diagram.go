package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Diagram draws operations over time for a terminal, a line a process:
//
//	process 3  |put 42|
//	process 4          |put 43|
//	process 7                  |get -> 42|
//
// Time runs to the right; only the order of beginnings and ends is to scale. An operation without an end goes on as
// "- - >". One that failed ends where its client was told so.
func Diagram(operations []history.Operation) string {
	d := diagram{columns: make(map[time.Duration]int)}
	d.place(operations)
	var processes []int
	lines := make(map[int]string)
	sorted := slices.Clone(operations)
	slices.SortStableFunc(sorted, func(a, b history.Operation) int { return compareTimes(a.Call, b.Call) })
	for _, op := range sorted {
		if _, ok := lines[op.Process]; !ok {
			processes = append(processes, op.Process)
		}
		lines[op.Process] = d.draw(lines[op.Process], &op)
	}
	width := 0
	for _, p := range processes {
		width = max(width, len(fmt.Sprint(p)))
	}
	var b strings.Builder
	for _, p := range processes {
		fmt.Fprintf(&b, "process %-*d  %s\n", width, p, lines[p])
	}
	return b.String()
}

// diagram is where moments stand.
type diagram struct{ columns map[time.Duration]int }

// place gives each moment a column, far enough from the beginnings of what ends there.
func (d *diagram) place(operations []history.Operation) {
	var moments []time.Duration
	for _, op := range operations {
		moments = append(moments, op.Call)
		if end := ended(&op); end != history.Forever {
			moments = append(moments, end)
		}
	}
	slices.Sort(moments)
	column := 0
	for _, m := range slices.Compact(moments) {
		for _, op := range operations {
			if ended(&op) == m {
				column = max(column, d.columns[op.Call]+len(describeOperation(&op))+1)
			}
		}
		d.columns[m] = column
		column++
	}
}

func (d *diagram) draw(line string, op *history.Operation) string {
	from := d.columns[op.Call]
	if n := len(line); n < from {
		line += strings.Repeat(" ", from-n)
	}
	line += "|" + describeOperation(op)
	end := ended(op)
	if end == history.Forever {
		return line + " - - >"
	}
	if n, to := len(line), d.columns[end]; n < to {
		line += strings.Repeat(" ", to-n)
	}
	return line + "|"
}

// ended is when the client knew what became of the operation.
func ended(op *history.Operation) time.Duration {
	if op.Type == history.Fail {
		return op.Return
	}
	return returned(op)
}
