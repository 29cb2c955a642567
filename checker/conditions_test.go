package checker

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The checkers' own mutation test: each condition below is left out of the source once, and the comparison with porcupine
// must notice. The changed source is built beside the checkout (go test -overlay); the checkers have no switch for it.

// edit replaces text that is in a file once.
type edit struct{ file, old, new string }

// condition is one that a checker cannot do without, and the test that shows it.
type condition struct {
	name  string
	test  string
	edits []edit
}

const (
	ofChains   = "TestChainsAgreeWithPorcupine"
	ofFrontier = "TestFrontierAgreesWithPorcupine"
	ofObjects  = "TestObjectsAgreeWithPorcupine/"
	ofLog      = "TestLogOrderIsAProof"
	ofOrders   = "TestRegisterTransactionsAgreeWithTheOracle/"
)

var conditions = []condition{
	{"chains: a value seen was written", ofChains, []edit{{"chains.go", "			return conflict\n		}\n		if !c.kinds[w].crashed {", "			return nil\n		}\n		if !c.kinds[w].crashed {"}}},
	{"chains: a value is swapped away once, and no chain bites its tail", ofChains, []edit{
		{"chains.go", "other != noOperation {", "other != noOperation && false {"},
		{"chains.go", "c.effective(w) && !c.visited[v] {", "c.effective(w) && !c.visited[v] && false {"}}},
	{"chains: no chain bites its tail", ofChains, []edit{{"chains.go", "c.effective(w) && !c.visited[v] {", "c.effective(w) && !c.visited[v] && false {"}}},
	{"chains: a write before its reads", ofChains, []edit{{"chains.go", "if reads.firstReturn < z.lastCall {", "if false {"}}},
	{"chains: reads before the next write", ofChains, []edit{{"chains.go", "if returned(c.ops[swap]) < z.lastCall {", "if false {"}}},
	{"chains: no two forward zones overlap", ofChains, []edit{{"chains.go", "i < len(forward); i++", "i < 0; i++"}}},
	{"chains: no backward zone in a forward one", ofChains, []edit{{"chains.go", "if i > 0 && z.firstReturn < forward[i-1].lastCall {", "if false {"}}},
	{"chains: a crashed write that was seen took effect", ofChains, []edit{{"chains.go", "if !c.kinds[w].crashed {\n			return nil", "if true {\n			return nil"}}},

	{"frontier: at its return an operation has taken effect", ofFrontier, []edit{{"frontier.go", "if !f.table.dead(n) && f.found[at+word]&bit != 0 {", "if !f.table.dead(n) {"}}},
	{"frontier: an operation takes effect once", ofFrontier, []edit{{"frontier.go", "f.pure[i] || f.found[at+1+slot/64]>>(slot%64)&1 != 0 {", "f.pure[i] {"}}},
	{"frontier: only pure operations take effect at once", ofFrontier, []edit{
		{"frontier.go", "	if !f.pure[i] {\n		return\n	}\n", ""},
		{"frontier.go", "i != noOperation && f.pure[i] && f.row", "i != noOperation && f.row"}}},
	{"frontier: only the one that used more crashed operations goes", ofFrontier, []edit{{"frontier.go", "func (f *frontier) fewer(a, b []uint64) bool {", "func (f *frontier) fewer(a, b []uint64) bool {\n	return true"}}},
	{"frontier: ... and only if the others done are the same", ofFrontier, []edit{
		{"frontier.go", "	h := mix(row[0])\n", "	h := mix(row[0])\n	return h\n"},
		{"frontier.go", "!slices.Equal(row[1:1+f.slotWords], other[1:1+f.slotWords])", "false"}}},
	{"frontier: events of the same time are concurrent", ofFrontier, []edit{{"frontier.go", "c := int(a&1) - int(b&1)", "c := int(b&1) - int(a&1)"}}},

	{"set: elements seen were added", ofObjects + "set", []edit{{"set.go", "if d.add[v] == noOperation {", "if false {"}}},
	{"set: elements are there once", ofObjects + "set", []edit{{"set.go", "if len(slices.Compact(slices.Clone(r.elems))) < len(r.elems) {", "if false {"}}},
	{"set: reads hold the smaller ones", ofObjects + "set", []edit{{"set.go", "if n > 0 && before < len(d.reads[n-1].elems) {", "if false && before < 0 {"}}},
	{"set: adds in their place", ofObjects + "set", []edit{{"set.go", "if adds[n].firstReturn < all.lastCall {", "if false {"}}},
	{"set: reads in their place", ofObjects + "set", []edit{{"set.go", "if returned(d.ops[r]) < same.lastCall {", "if false {"}}},
	{"set: what was seen took effect", ofObjects + "set", []edit{{"set.go", "d.ops[i].Type != history.OK && d.place[v] == len(d.reads) {", "d.ops[i].Type != history.OK {"}}},

	{"queue: taken once", ofObjects + "queue", []edit{{"queue.go", "if e.taken != noOperation {\n			return []int32{e.put", "if false {\n			return []int32{e.put"}}},
	{"queue: taken after it was put", ofObjects + "queue", []edit{{"queue.go", "if op.Return < d.ops[e.put].Call {", "if false {"}}},
	{"queue: first in, first out", ofObjects + "queue", []edit{{"queue.go", "if any && b.taken != noOperation && d.ops[b.taken].Return < d.takeCall(last) {", "if false {"}}},
	{"queue: what stays behind stays", ofObjects + "queue", []edit{{"queue.go", "	if e.taken == noOperation {\n		return history.Forever", "	if e.taken == noOperation {\n		return beginning"}}},
	{"queue: empty when nothing was in it", ofObjects + "queue", []edit{{"queue.go", "if len(d.empty) == 0 {", "if true {"}}},
	{"queue matched: in real time", "TestRepeatedQueuesAgreeWithPorcupine", []edit{{"fifo.go", "		if f.ops[i].Call > first {\n			break\n		}\n		if _, done := slices.BinarySearch(more, i); !done {", "		if _, done := slices.BinarySearch(more, i); !done {"}}},
	{"queue matched: an enqueue before all dequeues that come after it", "TestRepeatedQueuesAgreeWithPorcupine", []edit{{"fifo.go", "puts = f.earliest(slices.DeleteFunc(puts, func(i int32) bool { return f.ops[i].Call > firstTake }))", "puts = f.earliest(puts)"}}},
	{"queue matched: equal elements alone", "TestRepeatedQueuesAgreeWithPorcupine", []edit{{"fifo.go", "if op.Type != history.OK || f.values[put] == f.values[take] {", "if true {"}}},
	{"queue matched: empty when nothing was in it", "TestRepeatedQueuesAgreeWithPorcupine", []edit{{"fifo.go", "if firstPut >= max(op.Call, f.lastTake(m)) {", "if true {"}}},
	{"queue matched: an empty one is found so once it can be", "TestRepeatedQueuesAgreeWithPorcupine", []edit{{"fifo.go", "return []matched{f.with(m, take)}", "return nil"}}},
	{"queue matched: empty when nothing was in it at a dequeue before", "TestRepeatedQueuesAgreeWithPorcupine", []edit{{"fifo.go", "if firstPut >= max(op.Call, f.lastTake(m)) {", "if firstPut >= op.Call {"}}},
	{"queue matched: of equal ones those that return first", "TestRepeatedQueuesAgreeWithPorcupine", []edit{{"fifo.go", "returned(a) > returned(b):", "returned(a) < returned(b):"}}},
	{"queue matched: of equal dequeues those that were called first may be better", "TestRepeatedQueuesAgreeWithPorcupine", []edit{{"fifo.go", `	case a.F == "enqueue":`, `	case a.F != "":`}}},

	{"lock: holds do not overlap", ofObjects + "lock", []edit{{"lock.go", "	if !found {\n		return Valid", "	if !found || true {\n		return Valid"}}},
	{"lock: a hold that is not released lasts", ofObjects + "lock", []edit{{"lock.go", "if holds[i].release == noOperation {\n			holds", "if false {\n			holds"}}},
	{"lock: holds in the order of tokens", ofObjects + "lock_with_tokens", []edit{{"lock.go", "if h.firstReturn < before.lastCall {", "if false {"}}},
	{"lock: tokens differ", ofObjects + "lock_with_tokens", []edit{{"lock.go", "if i > 0 && token(h) == token(holds[i-1]) {", "if false {"}}},
	{"lock: a holder that was read had acquired it", ofObjects + "lock", []edit{{"lockreads.go", "return nil, []int32{i}, true", "continue"}}},
	{"lock: a read is within the hold it saw", ofObjects + "lock", []edit{{"lockreads.go", "if op.Return < ops[h.acquire].Call || h.release != noOperation && returned(ops[h.release]) < op.Call {", "if false {"}}},
	{"lock: reads count for the hold they saw", ofObjects + "lock", []edit{{"lockreads.go", "		h.add(op, i)\n	}\n	return free", "	}\n	return free"}}},
	{"lock: reads of nobody are between holds", ofObjects + "lock", []edit{{"lock.go", "holds = append(holds, free...)", ""}}},
	{"lock: reads of nobody are between holds in the order of tokens", ofObjects + "lock_with_tokens", []edit{{"lockreads.go", "if k > 0 && holds[last[k]].lastCall > r.firstReturn {", "if false {"}}},

	{"counter: results are sums", ofObjects + "counter", []edit{{"counter.go", "result(i) != sum || ops[i].Return < before.lastCall", "ops[i].Return < before.lastCall"}}},
	{"counter: adds in order", ofObjects + "counter", []edit{{"counter.go", "			before = all\n", "			before = emptySpan()\n"}}},
	{"counter: reads in order", ofObjects + "counter", []edit{{"counter.go", "		before := since\n", "		before := since\n		before = emptySpan()\n"}}},

	{"text: once", ofObjects + "text", []edit{{"appends.go", "if !ok || d.seen[i] {", "if !ok {"}}},
	{"text: reads are beginnings of the longest", ofObjects + "text", []edit{{"appends.go", "if !ok || !strings.HasPrefix(whole, d.text(r)) {", "if !ok {"}}},
	{"text: ... and end where an append does", ofObjects + "text", []edit{{"appends.go", "if !ok || !strings.HasPrefix(whole, d.text(r)) {", "if ok = true; !ok || !strings.HasPrefix(whole, d.text(r)) {"}}},
	{"text: appends in order", ofObjects + "text", []edit{{"appends.go", "if returned(d.ops[i]) < before.lastCall {", "if false {"}}},
	{"text: reads in order", ofObjects + "text", []edit{{"appends.go", "if d.ops[r].Return < before.lastCall {", "if false {"}}},
	{"text: appends nobody saw come last", ofObjects + "text", []edit{{"appends.go", "if !d.seen[i] && d.ops[i].Type == history.OK && d.ops[i].Return < before.lastCall {", "if false {"}}},
	{"text: pieces cannot be taken for one another", ofObjects + "text", []edit{{"appends.go", `if d.piece(i) == "" || n > 0 && strings.HasPrefix(d.piece(i), d.piece(d.pieces[n-1])) {`, `if d.piece(i) == "" || n < 0 {`}}},

	{"text with puts: a put is the beginning", ofObjects + "text_with_puts", []edit{{"texts.go", `if !ok || last != noOperation && t.ops[i].F == "put" {`, "if !ok {"}}},
	{"text with puts: a piece has one place", ofObjects + "text_with_puts", []edit{{"texts.go", "other != noOperation && t.before[i] != last {", "false && other != noOperation {"}}},
	{"text with puts: an append that was seen met what was before it", ofObjects + "text_with_puts", []edit{{"texts.go", `case op.F == "append" && t.reader[i] != noOperation:`, `case op.F == "append" && t.reader[i] != noOperation && i < 0:`}}},
	{"text with puts: an append that nobody saw ends the text", ofObjects + "text_with_puts", []edit{{"texts.go", `case op.F == "append" && op.Type != history.OK:`, `case op.F == "append" && t.reader[i] == noOperation:`}}},

	{"transactions on registers: who read a version came before who replaced it", ofOrders + "serializable", []edit{
		{"rwgroup.go", "	for _, r := range c.readers[way] {\n		if g.is(second, r) {\n			return false\n		}\n	}\n", ""},
		{"rwgroup.go", "	for _, r := range c.readers[way] {\n		g.add(r, second)\n	}\n", ""}}},
	{"transactions on registers: what may be either way is tried", ofOrders + "serializable", []edit{{"rwgroup.go", "!g.infer() || !g.probe() || !g.search(0):", "!g.infer():"}}},
	{"transactions on registers: a crashed one that was seen took effect", ofOrders + "serializable", []edit{{"rworders.go", "w != noOperation {\n				o.present[w] = true", "w == noOperation {\n				o.present[t] = true"}}},

	{"log order: real time", ofLog, []edit{{"certificate.go", "if op.Return < lastCall || n%1024", "if n%1024"}}},
	{"log order: the model allows it", ofLog, []edit{{"certificate.go", "if s, ok = m.step(ctx, s, int(i)); !ok {", "if s, ok = m.step(ctx, s, int(i)); !ok && false {"}}},
	{"log order: every answer has an index", ofLog, []edit{{"certificate.go", "		if op.LogIndex == 0 {\n			return false\n		}\n", "		if op.LogIndex == 0 {\n			continue\n		}\n"}}},
}

// mutated is a file with the condition's edits.
func (c condition) mutated(t *testing.T, file string) string {
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	text := string(b)
	for _, e := range c.edits {
		if e.file == file {
			require.Equal(t, 1, strings.Count(text, e.old), "%s: the source changed; mend the condition: %q", c.name, e.old)
			text = strings.Replace(text, e.old, e.new, 1)
		}
	}
	return text
}

// The conditions are those of the source as it is.
func TestConditionsAreCurrent(t *testing.T) {
	for _, c := range conditions {
		for _, e := range c.edits {
			c.mutated(t, e.file)
		}
	}
}

// TestEachConditionIsNeeded takes minutes: make test-checker runs it.
func TestEachConditionIsNeeded(t *testing.T) {
	if os.Getenv("ORDEAL_CHECKER_CONDITIONS") == "" {
		t.Skip("make test-checker runs it")
	}
	for _, c := range conditions {
		t.Run(c.name, func(t *testing.T) {
			out, err := exec.Command("go", "test", "-vet=off", "-overlay", c.overlay(t), "-run", "^"+strings.ReplaceAll(c.test, "/", "$/^")+"$", fmt.Sprintf("-histories=%d", *histories), "-timeout=60m", ".").CombinedOutput()
			require.Error(t, err, "left out, and nothing shows it")
			require.Regexp(t, "(porcupine|the oracle) says", string(out), "it must fail for its verdict")
		})
	}
}

// overlay is the file that tells the go command which sources to take instead.
func (c condition) overlay(t *testing.T) string {
	folder := t.TempDir()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	replace := map[string]string{}
	for _, e := range c.edits {
		path := filepath.Join(folder, e.file)
		require.NoError(t, os.WriteFile(path, []byte(c.mutated(t, e.file)), 0o644))
		replace[filepath.Join(here, e.file)] = path
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	path := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(path, text, 0o644))
	return path
}
