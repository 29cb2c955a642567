package importer

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// builder makes a history of ordeal's from operations as Jepsen records them.
//
// read becomes get, write becomes put. The argument of an operation is the value of its invocation, its answer the value
// of its completion; a cas that succeeded saw its old value. What Jepsen knows under other names is kept as it is.
// Jepsen's order of lines is the order of events; times are kept where they agree with it.
//
// A lock's client is the process, where the operation names none. An answer that repeats the argument says nothing. Where
// the value of each operation is a pair, as jepsen.independent makes them, its first part is the key.
//
// Two things Jepsen's checkers tolerate are tolerated here with a warning: an :info of a process without an open
// operation is a remark and left out; a process that goes on after its :info gets a new number, and the old operation
// stays open.
type builder struct {
	operations []operation
	limits     history.Limits

	events  []history.Event
	check   history.Check
	inputs  map[int]history.Value // of the open operations, by process
	renamed map[int]int           // processes that went on after an :info, and those that may
	names   int                   // new numbers given
	remarks int
}

// firstName is the first of the numbers given to processes that went on; Jepsen's own are far below.
const firstName = 1 << 30

// operation is one line of Jepsen's.
type operation struct {
	line          int
	process, kind form
	f             string
	key           form // of kind ednNil: none
	name          string
	value, err    form
	time          int64 // nanoseconds; -1: not said
}

// build makes events of the operations.
func (b *builder) build() error {
	independent := b.independent()
	keys := keys{open: map[int64]form{}, kinds: map[string]ednKind{}}
	for i, o := range b.operations {
		if i%1024 == 0 {
			if err := b.limits.Take(0); err != nil {
				return err
			}
		}
		if independent {
			keys.take(&o)
		}
		o.name = keys.name(o.key)
		if err := b.add(o); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) add(o operation) error {
	e, err := b.event(o)
	if err != nil {
		return fmt.Errorf("line %d: %w; correct or remove the line", o.line, err)
	}
	if b.remark(&e) {
		return nil
	}
	b.rename(&e)
	b.values(&e, o)
	if err := b.check.Add(&e); err != nil {
		return fmt.Errorf("line %d: %w", o.line, err)
	}
	if b.events, err = history.Grown(b.limits, b.events); err != nil {
		return err
	}
	b.events = append(b.events, e)
	return nil
}

// take takes the next operation.
func (b *builder) take(o operation) (err error) {
	if b.operations, err = history.Grown(b.limits, b.operations); err == nil {
		b.operations = append(b.operations, o)
	}
	return err
}

func (b *builder) event(o operation) (history.Event, error) {
	e := history.Event{Index: len(b.events), Time: b.time(o.time), F: ordealName(o.f), Key: o.name}
	switch {
	case o.process.kind == ednInt && o.process.num >= 0 && o.process.num < firstName:
		e.Process = int(o.process.num)
	case o.process.kind == ednKeyword: // :nemesis
		e.Process = history.NemesisProcess
	default:
		return e, fmt.Errorf("the process must be a number from 0 or :nemesis, not %v", o.process.value())
	}
	if err := e.Type.UnmarshalText([]byte(trimColon(o.kind.text))); err != nil {
		return e, fmt.Errorf("%w; Jepsen writes :invoke, :ok, :fail or :info", err)
	}
	if o.f == "" {
		return e, fmt.Errorf("the operation has no :f")
	}
	return e, nil
}

// remark tells an :info that completes nothing.
func (b *builder) remark(e *history.Event) bool {
	if e.Type != history.Info || e.Process == history.NemesisProcess {
		return false
	}
	if _, open := b.inputs[b.name(e.Process)]; open {
		return false
	}
	b.remarks++
	return true
}

func (b *builder) name(process int) int {
	if name, ok := b.renamed[process]; ok {
		return name
	}
	return process
}

// rename gives the event the number its process goes under, and a process that crashes one for what it may do later.
func (b *builder) rename(e *history.Event) {
	process := e.Process
	e.Process = b.name(process)
	if e.Type != history.Info || process == history.NemesisProcess {
		return
	}
	if b.renamed == nil {
		b.renamed = make(map[int]int)
	}
	b.renamed[process] = firstName + b.names
	b.names++
}

// told are the warnings about what was tolerated.
func (b *builder) told() []string {
	var told []string
	if b.remarks > 0 {
		told = append(told, fmt.Sprintf("lines of :info that complete no operation and were left out: %d", b.remarks))
	}
	again := 0
	for i := range b.events {
		if e := &b.events[i]; e.Type == history.Invoke && e.Process >= firstName {
			again++
		}
	}
	if again > 0 {
		told = append(told, fmt.Sprintf("operations of processes that go on after an :info: %d; the operation left open counts as open for ever", again))
	}
	return told
}

func (b *builder) time(said int64) time.Duration {
	last := time.Duration(-1)
	if n := len(b.events); n > 0 {
		last = b.events[n-1].Time
	}
	return max(last+1, time.Duration(min(said, math.MaxInt64/2)))
}

func (b *builder) values(e *history.Event, o operation) {
	if e.Process == history.NemesisProcess {
		return
	}
	defer func() {
		if e.Type != history.Invoke {
			delete(b.inputs, e.Process)
		}
	}()
	switch e.Type {
	case history.Invoke:
		if e.F != "get" { // Jepsen's reads carry what they will see, or nothing
			e.Input = o.value.value()
		}
		if b.inputs == nil {
			b.inputs = make(map[int]history.Value)
		}
		b.inputs[e.Process] = e.Input // without the client below: a token may be the same number, and repeats nothing
		if (e.F == "acquire" || e.F == "release") && e.Input.IsNil() {
			e.Input = history.Int(o.process.num)
		}
	case history.OK:
		e.Output = b.output(e, o)
	default:
		if o.err.kind != ednNil {
			e.Error = o.err.value().String()
		} else if o.value.kind == ednKeyword {
			e.Error = o.value.text
		}
	}
}

func (b *builder) output(e *history.Event, o operation) history.Value {
	switch e.F {
	case "put", "append", "enqueue", "release":
		return history.Nil
	case "add": // to a set: nothing; to a counter: what to add once more, or the sum
		if v := o.value.value(); v.Kind() == history.KindInt && !v.Equal(b.inputs[e.Process]) {
			return v
		}
		return history.Nil
	case "cas":
		old, _, _ := b.inputs[e.Process].AsPair()
		return old
	}
	if v := o.value.value(); e.F == "txn" || !v.Equal(b.inputs[e.Process]) {
		return v
	}
	return history.Nil
}

func ordealName(f string) string {
	switch f {
	case "read":
		return "get"
	case "write":
		return "put"
	}
	return f
}

func trimColon(s string) string {
	if len(s) > 0 && s[0] == ':' {
		return s[1:]
	}
	return s
}

// decodeEDN reads operations as maps: in one vector or list, or one after another.
func decodeEDN(l history.Limits, data []byte) (events []history.Event, warnings []string, err error) {
	r := newEDNReader(withoutMark(data))
	r.limits = l
	b := &builder{limits: l}
	if err := r.operations(b, 0); err != io.EOF {
		return nil, nil, err
	}
	if err := b.build(); err != nil {
		return nil, nil, err
	}
	return b.events, b.told(), nil
}

// operations reads maps, and the maps in vectors and lists, until the end. A vector that begins with a process is an
// operation itself, as knossos prints them: [3 :invoke :write 7].
func (r *ednReader) operations(b *builder, depth int) error {
	for {
		if err := r.space(depth); err != nil {
			return err
		}
		if c := r.at(0); (c == '[' || c == '(') && !r.beginsWithProcess(depth) {
			if err := r.series(b, depth+1); err != nil {
				return err
			}
			continue
		}
		f, err := r.next(depth)
		if err == errClose && depth == 0 {
			return r.errorf("%q closes nothing", r.data[r.pos])
		}
		if err != nil {
			return err
		}
		all := []form{f}
		if h, ok := f.get(":history"); ok && f.kind == ednMap && h.kind == ednVector { // a whole test
			all = h.items
		}
		for _, f := range all {
			o, err := operationOf(f)
			if err != nil {
				return fmt.Errorf("line %d: %w; an operation is {:process 0, :type :invoke, :f :read, :value nil}", f.line, err)
			}
			if err := b.take(o); err != nil {
				return err
			}
		}
	}
}

// beginsWithProcess tells whether the vector or list at the position begins with a number or a keyword. It moves nothing.
func (r *ednReader) beginsWithProcess(depth int) bool {
	ahead := *r
	ahead.pos++
	if ahead.space(depth) != nil {
		return false
	}
	c := ahead.at(0)
	return c >= '0' && c <= '9' || c == ':'
}

// series reads the operations of one vector or list.
func (r *ednReader) series(b *builder, depth int) error {
	line, closing := r.line, byte(']')
	if r.at(0) == '(' {
		closing = ')'
	}
	if depth > maxEDNDepth {
		return r.errorf("nested deeper than %d", maxEDNDepth)
	}
	r.pos++
	switch err := r.operations(b, depth); {
	case err == io.EOF:
		return r.errorf("the file ends before the %q that closes what line %d opened", closing, line)
	case err != errClose:
		return err
	case r.data[r.pos] != closing:
		return r.errorf("%q closes what line %d opened and %q should close", r.data[r.pos], line, closing)
	}
	r.pos++
	return nil
}

func operationOf(f form) (operation, error) {
	if f.kind == ednVector {
		return operationOfParts(f.items)
	}
	if f.kind != ednMap {
		return operation{}, fmt.Errorf("a map {:process ..., :type ..., :f ...} expected, found %v", f.value())
	}
	o := operation{line: f.line, time: -1}
	var found [3]bool
	var name form
	o.process, found[0] = f.get(":process")
	o.kind, found[1] = f.get(":type")
	name, found[2] = f.get(":f")
	for i, key := range []string{":process", ":type", ":f"} {
		if !found[i] {
			return o, fmt.Errorf("the operation has no %s", key)
		}
	}
	if name.kind != ednKeyword && name.kind != ednString {
		return o, fmt.Errorf("the :f must be a keyword, not %v", name.value())
	}
	o.f = trimColon(name.text)
	o.value, _ = f.get(":value")
	o.err, _ = f.get(":error")
	if t, ok := f.get(":time"); ok && t.kind == ednInt {
		o.time = t.num
	}
	o.key, _ = f.get(":key")
	return o, nil
}
