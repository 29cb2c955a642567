package checker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Levels of isolation, from weak to strong, as ListAppend and RWRegister take them.
const (
	ReadUncommitted    = "read-uncommitted"
	ReadCommitted      = "read-committed"
	SnapshotIsolation  = "snapshot-isolation"
	Serializable       = "serializable"
	StrictSerializable = "strict-serializable"
)

// level is the strength of a level, for comparison. Those of one name with "strong" also hold in real time.
var levels = []string{ReadUncommitted, ReadCommitted, SnapshotIsolation, Serializable, "strong-session-" + Serializable, StrictSerializable}

// ListAppend checks transactions on lists ("append" and "r") against an isolation level by the cycles of their
// dependencies (Kingsbury and Alvaro: Elle, VLDB 2020). Sound and not complete: an anomaly it names is there, but one may
// stay unseen. It needs every value to be appended once to a key.
func ListAppend(level string) (Checker, error) { return newTransactions(level, true) }

// RWRegister is ListAppend for transactions on registers ("w" and "r"), which show less of their order. At the levels of
// serializability it is complete too, as long as the transactions whose order is open fall into groups of at most 1,024: then
// the orders are searched where the cycles show nothing, and what no order explains is called "unserializable". Beyond that a
// warning says of how many transactions the order was only inferred.
func RWRegister(level string) (Checker, error) { return newTransactions(level, false) }

func newTransactions(level string, lists bool) (Checker, error) {
	if !slices.Contains(levels, level) {
		return nil, fmt.Errorf("no isolation level %q; there are %s", level, strings.Join(levels, ", "))
	}
	return &transactions{level: level, lists: lists}, nil
}

type transactions struct {
	level string
	lists bool
}

func (c *transactions) Name() string { return "transactions" }

func (c *transactions) Check(ctx context.Context, h *history.History, o Options) (result Result) {
	start := time.Now()
	ctx, cancel := o.within(ctx, "the time for the check")
	defer cancel()
	heap := limitHeap(o.Memory)
	defer heap.release()
	b := newBounds(ctx, heap.share(1))
	defer b.release()
	defer heap.watch(b)()
	result = Result{Checker: c.Name(), Model: "list-append", Verdict: Unknown, Warnings: h.Warnings}
	if !c.lists {
		result.Model = "rw-register"
	}
	defer func() { result.Elapsed = time.Since(start) }()
	if !b.fits(transactionsNeed(h)) {
		result.Reason = *b.why.Load()
		return result
	}
	ts, err := readTxns(b, heap.limits(), h, c.lists)
	if errors.Is(err, errBounds) {
		result.Reason = *b.why.Load()
		return result
	}
	if err != nil {
		result.Reason = err.Error()
		return result
	}
	if !slices.ContainsFunc(ts.all, func(t txn) bool { return t.committed() }) {
		result.Warnings = append(slices.Clip(result.Warnings), "no transaction committed: the verdict says nothing about the system")
	}
	result.Anomalies = c.find(b, ts, &result.Warnings)
	b.ended() // what a search that was stopped did not find proves nothing, and the word of that may still be on its way
	result.Verdict, result.Reason = c.verdict(b, result.Anomalies)
	return result
}

// transactionsNeed estimates the memory of the check, in bytes.
func transactionsNeed(h *history.History) int64 {
	steps, versions := 0, 0
	for i := range h.Operations {
		in, _ := h.Operations[i].Input.AsList()
		out, _ := h.Operations[i].Output.AsList()
		steps += len(in)
		for _, s := range out {
			if parts, ok := s.AsList(); ok && len(parts) == 3 {
				list, _ := parts[2].AsList()
				versions += len(list)
			}
		}
	}
	return int64(len(h.Operations))*200 + int64(steps)*250 + int64(versions)*4
}

func (c *transactions) verdict(b *bounds, found []Anomaly) (Verdict, string) {
	for _, a := range found {
		if !a.Tolerated {
			reason := fmt.Sprintf("%s, which breaks %s: %s", a.Name, a.Level, a.Text)
			if more := len(found) - 1; more > 0 {
				reason += fmt.Sprintf(" (and %d more)", more)
			}
			return Invalid, reason
		}
	}
	if why := b.why.Load(); why != nil {
		return Unknown, *why
	}
	return Valid, ""
}

// find finds anomalies, worst first.
func (c *transactions) find(b *bounds, ts *txns, warnings *[]string) []Anomaly {
	dependencies := dependenciesOfRegisters
	if ts.lists {
		dependencies = dependenciesOfLists
	}
	edges, found := dependencies(ts)
	var anomalies []Anomaly
	for _, d := range found {
		anomalies = append(anomalies, c.anomaly(ts, d.name, d.text, d.txns))
	}
	if b.stopped() {
		return anomalies
	}
	edges = linkProcesses(ts, edges)
	edges = linkRealTime(ts, edges)
	if b.stopped() {
		return anomalies
	}
	if ts.room.Take(graphNeeds(len(ts.all), len(edges))) != nil {
		b.outOfMemory()
		return anomalies
	}
	violation := func(name string) bool { return strength(levelOf(name)) <= strength(c.level) }
	known := slices.ContainsFunc(anomalies, func(a Anomaly) bool { return !a.Tolerated })
	for _, f := range findCycles(b, newGraph(len(ts.all), edges), violation, known) {
		var nodes []int32
		for _, e := range f.cycle {
			if !slices.Contains(nodes, e.from) {
				nodes = append(nodes, e.from)
			}
		}
		anomalies = append(anomalies, c.anomaly(ts, f.name, ts.cycleText(f.cycle), nodes))
	}
	if !ts.lists && serializability(c.level) && !slices.ContainsFunc(anomalies, func(a Anomaly) bool { return !a.Tolerated }) && !b.stopped() {
		anomalies = append(anomalies, c.search(b, ts, edges, warnings)...)
	}
	slices.SortStableFunc(anomalies, func(a, b Anomaly) int { return strength(a.Level) - strength(b.Level) })
	return anomalies
}

// search searches the orders of the versions of registers where the cycles showed nothing.
func (c *transactions) search(b *bounds, ts *txns, edges []edge, warnings *[]string) []Anomaly {
	f := searchOrders(b, ts, edges, c.level)
	if f.conflict != nil {
		return []Anomaly{c.unserializable(ts, f)}
	}
	if f.beyond > 0 {
		*warnings = append(slices.Clip(*warnings), fmt.Sprintf("the order of the writes of %d of the %d transactions was inferred from reads and times, and searched in parts only: they hang together too closely for all orders to be tried, so that some violations would not show", f.beyond, len(ts.all)))
	}
	return nil
}

func (c *transactions) anomaly(ts *txns, name, text string, nodes []int32) Anomaly {
	a := Anomaly{Name: name, Level: levelOf(name), Text: text}
	for _, t := range nodes {
		a.Operations = append(a.Operations, *ts.all[t].op)
	}
	a.Tolerated = strength(a.Level) > strength(c.level)
	return a
}

// levelOf is the weakest level that forbids an anomaly.
func levelOf(name string) string {
	base, suffix := name, ""
	for _, s := range []string{"-process", "-realtime"} {
		if b, ok := strings.CutSuffix(name, s); ok {
			base, suffix = b, s
		}
	}
	level := map[string]string{
		"G1a": ReadCommitted, "G1b": ReadCommitted, "G1c": ReadCommitted,
		"internal": SnapshotIsolation, "lost-update": SnapshotIsolation, "G-single": SnapshotIsolation, "G-nonadjacent": SnapshotIsolation,
		"G2-item": Serializable, "unserializable": Serializable,
	}[base]
	if level == "" { // G0, garbage-read, duplicate-elements, incompatible-order
		level = ReadUncommitted
	}
	switch suffix {
	case "-process":
		return "strong-session-" + level
	case "-realtime":
		if level == Serializable {
			return StrictSerializable
		}
		return "strong-" + level
	}
	return level
}

// strength orders levels; the session and real-time forms of the weaker ones count as those of serializability, which is
// the weakest level of ours that demands them.
func strength(level string) int {
	if i := slices.Index(levels, level); i >= 0 {
		return i
	}
	if strings.HasPrefix(level, "strong-session-") {
		return slices.Index(levels, "strong-session-"+Serializable)
	}
	return slices.Index(levels, StrictSerializable)
}

// Transactions says of so many transactions that they are valid at a level.
func Transactions(n int, level string) string {
	if n == 1 {
		return "1 transaction shows nothing that " + level + " forbids"
	}
	return fmt.Sprintf("%d transactions show nothing that %s forbids", n, level)
}
