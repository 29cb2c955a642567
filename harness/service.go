package harness

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/workloads"
)

// The checker of service holds a run to the two sides of R18.
//
// With a majority alive and connected the cluster serves. A stretch is a time in which the events of the nemesis show that some voter
// could lead, by a majority of every configuration that may have been active (nemesis.Quorum), and in which nothing was done that
// could depose it: it begins where an injection is complete or where a heal has given a quorum back, and ends where the next
// injection begins. A gap is a time between two answers to clients (OK) within a stretch. It counts as far as a client was trying,
// and the harness itself was not kept from the processor; one in which it was, for more than a tenth of the time, does not count at all,
// since nodes that starve as it did cannot keep a leader. One beyond the bound makes the run invalid: it is a failure of liveness.
//
// Without a majority nothing changes. Where the evidence shows that from the end of an injection to the begin of a heal no voter could
// lead, an operation that changes something and was both invoked and confirmed within that time makes the run invalid,
// whatever order might explain it. One that only reads is told of: a lease may still have held.
//
// Nothing is expected while a fault stands whose effect is vague or that did not take hold, and nothing after a fault that is
// more than a replicated log can survive.

// triesInGap is how many operations must have been tried in a gap before anybody can say that nothing was served.
const triesInGap = 3

// standing is a fault with its times and what it takes.
type standing struct {
	id       int
	impact   nemesis.Impact
	inject   span // its injection, evidence included
	heal     span // and its heal; from history.Forever: there was none
	sure     bool // it took hold and stood to its end
	disturbs bool // its heal does
}

// span is a time from one moment to another.
type span struct{ from, to time.Duration }

func (s span) has(t time.Duration) bool { return s.from <= t && t < s.to }

// expectations are what the nemesis's events say of when service was due.
type expectations struct {
	nodes  []string
	faults []standing
	stalls []span        // of the harness
	end    time.Duration // of all expectations
	beyond string        // the fault that ended them; empty: none
}

func readExpectations(h *history.History, nodes []string) expectations {
	x := expectations{nodes: nodes, end: h.Length}
	for _, event := range h.Nemesis {
		var e nemesis.Event
		if json.Unmarshal(event.Detail, &e) != nil {
			continue
		}
		switch {
		case e.Fault == Stall:
			x.stalls = append(x.stalls, span{e.Start, e.End})
		case e.Fault == nemesis.Closing:
		case e.Phase == nemesis.PhaseInject:
			x.inject(e)
		case e.Phase == nemesis.PhaseHeal:
			x.heal(e)
		}
	}
	return x
}

func (x *expectations) inject(e nemesis.Event) {
	s := standing{id: e.ID, impact: nemesis.Impact{Vague: true}, inject: span{e.Start, max(e.Done, e.End)},
		heal: span{history.Forever, history.Forever}, sure: e.Took}
	if e.Impact != nil && e.Took {
		s.impact = *e.Impact
	}
	x.faults = append(x.faults, s)
	if e.Beyond && e.Start < x.end {
		x.end, x.beyond = e.Start, strings.TrimSpace(e.Fault+" "+e.Mode)
	}
}

func (x *expectations) heal(e nemesis.Event) {
	i := slices.IndexFunc(x.faults, func(s standing) bool { return s.id == e.ID && s.heal.from == history.Forever })
	if i < 0 {
		return
	}
	s := &x.faults[i]
	s.heal, s.disturbs = span{e.Start, max(e.Done, e.End)}, e.Disturbs
	s.sure = s.sure && e.Stood
	if !e.Took { // who knows what is left of it
		s.heal.to, s.impact.Vague = history.Forever, true
	}
}

// lastHeal is when the last fault was healed, as far as it is known.
func (x *expectations) lastHeal() time.Duration {
	var last time.Duration
	for _, s := range x.faults {
		if s.heal.to != history.Forever {
			last = max(last, s.heal.to)
		}
	}
	return last
}

// moments are when something changes, in order, from 0 to the end of all expectations.
func (x *expectations) moments() []time.Duration {
	all := []time.Duration{0, x.end}
	for _, s := range x.faults {
		for _, t := range []time.Duration{s.inject.from, s.inject.to, s.heal.from, s.heal.to} {
			if t < x.end {
				all = append(all, t)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// due reports whether the cluster has to serve from the moment on, until the next one.
func (x *expectations) due(t time.Duration) bool {
	var impacts []nemesis.Impact
	for _, s := range x.faults {
		if t < s.inject.from || t >= s.heal.to {
			continue
		}
		if s.impact.Vague || s.inject.has(t) || s.disturbs && s.heal.has(t) {
			return false
		}
		impacts = append(impacts, s.impact)
	}
	return nemesis.Quorum(x.nodes, x.configurations(t), impacts)
}

// impossible reports whether from the moment on, until the next one, surely nobody could lead.
func (x *expectations) impossible(t time.Duration) bool {
	var impacts []nemesis.Impact
	for _, s := range x.faults {
		if t < s.inject.from || t >= s.heal.to {
			continue
		}
		changing := s.inject.has(t) || t >= s.heal.from
		switch {
		case changing && (len(s.impact.Out) > 0 || s.impact.Vague):
			return false // who knows which configuration holds
		case !changing && s.sure:
			impacts = append(impacts, s.impact)
		}
	}
	return len(impacts) > 0 && !nemesis.Quorum(x.nodes, x.configurations(t), impacts)
}

// configurations are the sets of voters that may be active at the moment: two of them while a change is under way.
func (x *expectations) configurations(t time.Duration) [][]string {
	without := func(voters, out []string) []string {
		return slices.DeleteFunc(slices.Clone(voters), func(v string) bool { return slices.Contains(out, v) })
	}
	voters, changing := x.nodes, []string(nil)
	for _, s := range x.faults {
		switch {
		case t < s.inject.from || t >= s.heal.to:
		case s.inject.has(t) || t >= s.heal.from:
			changing = append(changing, s.impact.Out...)
		default:
			voters = without(voters, s.impact.Out)
		}
	}
	all := [][]string{voters}
	if len(changing) > 0 {
		all = append(all, without(voters, changing))
	}
	return all
}

// stretches are the times in which service is due and nothing is done that could depose a leader.
func (x *expectations) stretches() []span {
	var all []span
	moments := x.moments()
	for i := 0; i+1 < len(moments); i++ {
		from, to := moments[i], moments[i+1]
		if !x.due(from) {
			continue
		}
		disturbed := slices.ContainsFunc(x.faults, func(s standing) bool { return s.inject.to == from || s.disturbs && s.heal.to == from })
		if n := len(all); n > 0 && all[n-1].to == from && !disturbed {
			all[n-1].to = to
			continue
		}
		all = append(all, span{from, to})
	}
	return all
}

// judgeService is the checker of service. A bound of 0 judges nothing.
func judgeService(h *history.History, f Findings) checker.Result {
	r := checker.Result{Checker: serviceChecker, Verdict: checker.Valid}
	if f.ServiceBound == 0 {
		return r
	}
	x := readExpectations(h, f.Nodes)
	var why []string
	if f.Unserved != "" && x.beyond == "" && !starved(span{x.lastHeal(), h.Length}, x.stalls) {
		why = append(why, f.Unserved)
	}
	gap := longestGap(h, x, f.OperationTimeout)
	if gap.unserved > f.ServiceBound {
		why = append(why, fmt.Sprintf("nothing was served for %v from %v on, while a majority was alive and connected; the bound is %v",
			gap.unserved.Round(time.Millisecond), gap.from.Round(time.Millisecond), f.ServiceBound))
	}
	changed, read := confirmedWithoutQuorum(h, x, f.Workload)
	if len(changed) > 0 {
		why = append(why, "confirmed though no voter could reach a majority: "+firstOf(changed))
	}
	if len(read) > 0 {
		r.Warnings = append(r.Warnings, "answered though no voter could reach a majority, perhaps by a lease: "+firstOf(read))
	}
	if len(why) > 0 {
		r.Verdict, r.Reason = checker.Invalid, strings.Join(why, "; ")
	}
	return r
}

func firstOf(ops []history.Operation) string {
	op := ops[0]
	text := fmt.Sprintf("%s %s by process %d at %v", op.F, op.Key, op.Process, op.Call.Round(time.Millisecond))
	if len(ops) > 1 {
		text += fmt.Sprintf(" and %d more", len(ops)-1)
	}
	return text
}

// gap is a time in which nothing was served.
type gap struct {
	span
	unserved time.Duration // how long of it somebody tried, and the harness was awake
}

// longestGap finds the longest time that nothing was served in while it was due.
func longestGap(h *history.History, x expectations, timeout time.Duration) gap {
	var answers []time.Duration
	for i := range h.Operations {
		if op := &h.Operations[i]; op.Type == history.OK && needsQuorum(op) {
			answers = append(answers, op.Return)
		}
	}
	slices.Sort(answers)
	var longest gap
	for _, s := range x.stretches() {
		from := s.from
		i, _ := slices.BinarySearch(answers, s.from)
		for ; from < s.to; i++ {
			to := s.to
			if i < len(answers) {
				to = min(to, answers[i])
			}
			if g := (gap{span: span{from, to}}); to-from > longest.unserved {
				if g.unserved = tried(h, g.span, x.stalls, timeout); g.unserved > longest.unserved {
					longest = g
				}
			}
			from = to
			if i >= len(answers) {
				break
			}
		}
	}
	return longest
}

// tried is how long of the span clients tried, apart from stalls of the harness: from an operation to the next that begins within a timeout
// after it. 0 where there were too few, or where nobody can tell because the harness was starved.
func tried(h *history.History, s span, stalls []span, timeout time.Duration) time.Duration {
	var trying []span
	for i := range h.Operations {
		op := &h.Operations[i]
		end := op.Return
		if end == history.Forever {
			end = op.Call + timeout // nobody knows better: its client has given up by then
		}
		if op.Call < s.to && end > s.from {
			trying = append(trying, span{max(op.Call, s.from), min(end, s.to)})
		}
	}
	if len(trying) < triesInGap || starved(s, stalls) {
		return 0
	}
	slices.SortFunc(trying, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := range trying[1:] {
		if next := trying[i+1]; next.from-trying[i].to <= timeout {
			trying[i].to = max(trying[i].to, next.from)
		}
	}
	return length(trying, stalls)
}

// starved reports whether the harness stood still for more than a tenth of the span.
func starved(s span, stalls []span) bool {
	awake := length([]span{s}, stalls)
	return 10*(s.to-s.from-awake) > s.to-s.from
}

// length is how long the spans are together, in order of their begin, without what others cover.
func length(spans, others []span) time.Duration {
	var total, done time.Duration
	for _, s := range spans {
		from := max(s.from, done)
		if s.to <= from {
			continue
		}
		total += s.to - from
		for _, o := range others {
			if overlap := min(o.to, s.to) - max(o.from, from); overlap > 0 {
				total -= overlap
			}
		}
		done = s.to
	}
	return total
}

// confirmedWithoutQuorum lists the operations that were invoked and confirmed within a time in which nobody could lead: those that
// change something, and those that only read or of which nobody knows.
func confirmedWithoutQuorum(h *history.History, x expectations, workload string) (changed, read []history.Operation) {
	model, known := workloads.ModelFor(workload)
	moments := x.moments()
	for i := 0; i+1 < len(moments); i++ {
		if !x.impossible(moments[i]) {
			continue
		}
		for _, op := range h.Operations {
			switch {
			case op.Type != history.OK || op.Call < moments[i] || op.Return > moments[i+1] || !needsQuorum(&op):
			case known && model.ReadOnly != nil && !model.ReadOnly(&op):
				changed = append(changed, op)
			default:
				read = append(read, op)
			}
		}
	}
	return changed, read
}

// needsQuorum tells an operation that somebody must lead for; a read that may be old any replica answers by itself.
func needsQuorum(op *history.Operation) bool { return op.F != checker.StaleRead }
