package report

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

const (
	maxOperations = 100_000 // in the page
	maxAlways     = 5_000   // operations of evidence's keys, and those that did not go well, kept wherever they are
	listedValue   = 60      // characters of a value in the operations
)

// stretch is a part of the test.
type stretch struct{ from, to time.Duration }

// operations are those that the page holds one by one: all of a short run; of a long one those in stretches of the test
// (where the evidence is, where faults begin and end, and some spread over the rest), the ones on the keys of the evidence
// and the ones that did not go well.
type operations struct {
	list      []joined
	stretches []stretch // where all are in the list; none: everywhere
	total     int
}

// collect gathers a history's operations as they are handed over, as long as there are few.
type collect struct {
	list  []joined
	total int
}

func (c *collect) add(j *joined) {
	if c.total++; c.total <= maxOperations {
		c.list = append(c.list, *j)
	} else {
		c.list = nil
	}
}

// gatherOperations takes what was collected, or else reads the history once more for what is worth showing.
func gatherOperations(in Input, c *collect, t *timeline) operations {
	ops := operations{list: c.list, total: c.total}
	if c.total > maxOperations {
		ops.stretches = worthSeeing(in.Verdict, t)
		ops.pick(in)
	}
	slices.SortStableFunc(ops.list, func(a, b joined) int { return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Index, b.Index)) })
	return ops
}

// pick reads the history for the operations of the stretches and the others that are always kept.
func (ops *operations) pick(in Input) {
	keys := evidenceKeys(in.Verdict)
	always := 0
	_, _ = in.follow(func(j *joined) { // a problem has been told of already
		switch {
		case len(ops.list) >= maxOperations+maxAlways:
		case ops.within(j):
			ops.list = append(ops.list, *j)
		case always < maxAlways && (j.Type != history.OK || keys[shown(j.Key, keyShown)]):
			always++
			ops.list = append(ops.list, *j)
		}
	})
}

func (ops *operations) within(j *joined) bool {
	return slices.ContainsFunc(ops.stretches, func(s stretch) bool { return j.Call < s.to && j.ended >= s.from })
}

// evidenceKeys are the keys whose evidence is drawn, as they are shown: a verdict cannot hold broken UTF-8.
func evidenceKeys(v store.Verdict) map[string]bool {
	keys := map[string]bool{}
	for _, f := range foundIllegal(v) {
		if len(keys) < maxEvidenceKeys {
			keys[shown(f.key.Key, keyShown)] = true
		}
	}
	return keys
}

// worthSeeing chooses buckets of the timeline, the most telling first, until their operations are as many as the page
// takes, and joins neighbours.
func worthSeeing(v store.Verdict, t *timeline) []stretch {
	counts := make([]int, len(t.buckets))
	for i, b := range t.buckets {
		counts[i] = b.completed()
	}
	return chooseStretches(moments(v, t.slowest), counts, t.width, maxOperations)
}

// chooseStretches chooses buckets of the width given, those at the moments first and then some spread over the rest, as long as what
// they hold is not more than there is room for, and joins neighbours.
func chooseStretches(moments []time.Duration, counts []int, width time.Duration, left int) []stretch {
	chosen := make([]bool, len(counts))
	choose := func(i int) {
		if i < 0 || i >= len(chosen) || chosen[i] {
			return
		}
		if n := counts[i]; n <= left {
			chosen[i] = true
			left -= n
		}
	}
	for _, at := range moments {
		i := int(at / width)
		choose(i)
		choose(i - 1)
		choose(i + 1)
	}
	for _, i := range scattered(len(chosen)) {
		choose(i)
	}
	var list []stretch
	for i, yes := range chosen {
		s := stretch{time.Duration(i) * width, time.Duration(i+1) * width}
		if n := len(list); yes && n > 0 && list[n-1].to == s.from {
			list[n-1].to = s.to
		} else if yes {
			list = append(list, s)
		}
	}
	return list
}

// moments are those that people look for, the most telling first.
func moments(v store.Verdict, slowest sample) []time.Duration {
	var list []time.Duration
	for _, f := range foundIllegal(v) {
		for _, op := range f.key.Evidence[:min(len(f.key.Evidence), maxEvidence)] {
			list = append(list, op.Call)
		}
	}
	list = append(list, slowest.call)
	for _, f := range v.Faults[:min(len(v.Faults), 100)] {
		list = append(list, f.Start, f.End)
	}
	return list
}

// scattered are the numbers below n in an order in which any beginning is spread evenly.
func scattered(n int) []int {
	width := bits.Len(uint(max(n-1, 1)))
	var list []int
	for i := range 1 << width {
		if at := int(bits.Reverse(uint(i)) >> (bits.UintSize - width)); at < n {
			list = append(list, at)
		}
	}
	return list
}

func (b *bucket) completed() int {
	sum := 0
	for _, n := range b.counts {
		sum += n
	}
	return sum
}

// operationColumns are the operations as the page's script reads them: a column an attribute, times in microseconds,
// strings by their number in Texts.
type operationColumns struct {
	Texts     []string     `json:"texts"`
	Call      []int64      `json:"call"`    // since the call before
	Took      []int64      `json:"took"`    // -1: never ended
	Process   []int        `json:"process"` //
	Outcome   []int        `json:"outcome"` // as in outcomes
	F         []int        `json:"f"`
	Key       []int        `json:"key"`
	Said      []int        `json:"said"`   // put 17
	Result    []int        `json:"result"` // → ok
	Node      []int        `json:"node"`
	Log       []uint64     `json:"log"`   // index
	Index     []int        `json:"index"` // event of the history
	Reads     []int        `json:"reads"`
	Stretches [][2]float64 `json:"stretches"` // seconds; none: everywhere
	Total     int          `json:"total"`
	Clients   int          `json:"clients"`  // a client's next process is as many above the last; 0: not known
	Evidence  []int        `json:"evidence"` // events that are part of the evidence
	Faults    [][4]any     `json:"faults"`   // from and to in seconds, how it looks, its name
}

func (ops *operations) columns(in Input, length time.Duration) operationColumns {
	c := operationColumns{Total: ops.total, Clients: in.Test.Clients, Stretches: [][2]float64{}, Evidence: evidenceEvents(in.Verdict), Faults: [][4]any{}}
	for _, column := range []*[]int{&c.Process, &c.Outcome, &c.F, &c.Key, &c.Said, &c.Result, &c.Node, &c.Index, &c.Reads} {
		*column = make([]int, 0, len(ops.list)) // none is [] to the script, not null
	}
	c.Call, c.Took, c.Log = make([]int64, 0, len(ops.list)), make([]int64, 0, len(ops.list)), make([]uint64, 0, len(ops.list))
	for _, f := range newFaultView(in.Verdict.Faults, axis{length: length}).faults {
		if f.Took && len(c.Faults) < maxFaultRows {
			c.Faults = append(c.Faults, [4]any{f.Start.Seconds(), f.End.Seconds(), kindOf(f.Fault).class, faultName(f)})
		}
	}
	all := newTexts()
	last := int64(0)
	for i := range ops.list {
		j := &ops.list[i]
		call := j.Call.Microseconds()
		took := int64(-1)
		if j.ended != history.Forever {
			took = (j.ended - j.Call).Microseconds()
		}
		reading := 0
		if reads(j.Operation) {
			reading = 1
		}
		c.Call, c.Took = append(c.Call, call-last), append(c.Took, took)
		c.Process, c.Outcome = append(c.Process, j.Process), append(c.Outcome, outcomeIndex(j.Type))
		c.F, c.Key = append(c.F, all.number(shown(j.F, 30))), append(c.Key, all.number(shown(j.Key, keyShown)))
		c.Said, c.Result = append(c.Said, all.number(asked(j))), append(c.Result, all.number(answered(j)))
		c.Node, c.Log = append(c.Node, all.number(shown(j.Node, 40))), append(c.Log, j.LogIndex)
		c.Index, c.Reads = append(c.Index, j.Index), append(c.Reads, reading)
		last = call
	}
	for _, s := range ops.stretches {
		c.Stretches = append(c.Stretches, [2]float64{s.from.Seconds(), s.to.Seconds()})
	}
	c.Texts = all.list
	return c
}

// evidenceEvents are the evidence's operations, by the events of their invocations.
func evidenceEvents(v store.Verdict) []int {
	list := []int{}
	for _, f := range foundIllegal(v) {
		for _, op := range f.key.Evidence {
			if len(list) < 1000 {
				list = append(list, op.Index)
			}
		}
	}
	return list
}

func asked(j *joined) string { return call(j.Operation, listedValue) }

// answered says more of one that did not go well: a table shows it as a whole.
func answered(j *joined) string {
	text := result(j.Operation, listedValue)
	if j.Type == history.Info && j.Error != "" {
		text += " " + shown(j.Error, 100)
	}
	return text
}
