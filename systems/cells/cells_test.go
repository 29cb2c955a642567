package cells

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// memory is a store that tells what its compare-and-sets saw or not, and fails as it is told to.
type memory struct {
	cells   map[string]Cell
	silent  bool
	fail    error  // of the next write
	between func() // runs before each compare-and-set
}

func (m *memory) Get(_ context.Context, key string) (Cell, error) { return m.cells[key], nil }

func (m *memory) Put(_ context.Context, key, text string) error {
	m.cells[key] = Cell{Text: text, Found: true}
	return m.fail
}

func (m *memory) CompareAndSet(_ context.Context, key string, expected Cell, text string) (Swap, error) {
	if m.between != nil {
		m.between()
	}
	seen := m.cells[key]
	if m.fail != nil {
		return Swap{}, m.fail
	}
	if seen != expected {
		return Swap{Seen: seen, Known: !m.silent}, nil
	}
	m.cells[key] = Cell{Text: text, Found: true}
	return Swap{Set: true, Seen: seen, Known: !m.silent}, nil
}

func (*memory) Close() {}

func pair(a, b history.Value) history.Value { return history.List(a, b) }

// Every operation of every object, one after another, on stores of both sorts.
func TestOperations(t *testing.T) {
	one, two, name := history.Int(1), history.Int(2), history.String("p1")
	steps := []struct {
		object workloads.Object
		f      string
		input  history.Value
		want   history.Value
		fails  bool
	}{
		{"", "get", history.Nil, history.Nil, false},
		{"", "put", one, history.Nil, false},
		{workloads.RegisterObject, "get", history.Nil, one, false},
		{"", "cas", pair(one, two), one, false},
		{"", "cas", pair(history.Nil, one), two, false}, // not set, and it says what it saw
		{"", "get", history.Nil, two, false},
		{"", "put", history.List(), history.Nil, true},
		{"", "cas", one, history.Nil, true},
		{"", "fly", history.Nil, history.Nil, true},
		{workloads.TextObject, "get", history.Nil, history.Nil, false},
		{workloads.TextObject, "append", history.String("(1)"), history.Nil, false},
		{workloads.TextObject, "append", history.String("(2)"), history.Nil, false},
		{workloads.TextObject, "get", history.Nil, history.String("(1)(2)"), false},
		{workloads.TextObject, "put", history.String("7"), history.Nil, false},
		{workloads.TextObject, "get", history.Nil, history.String("7"), false},
		{workloads.SetObject, "read", history.Nil, history.List(), false},
		{workloads.SetObject, "add", one, history.Nil, false},
		{workloads.SetObject, "add", two, history.Nil, false},
		{workloads.SetObject, "read", history.Nil, history.List(one, two), false},
		{workloads.SetObject, "add", history.String("a b"), history.Nil, true},
		{workloads.QueueObject, "dequeue", history.Nil, history.Nil, false},
		{workloads.QueueObject, "enqueue", one, history.Nil, false},
		{workloads.QueueObject, "enqueue", two, history.Nil, false},
		{workloads.QueueObject, "dequeue", history.Nil, one, false},
		{workloads.QueueObject, "dequeue", history.Nil, two, false},
		{workloads.QueueObject, "dequeue", history.Nil, history.Nil, false},
		{workloads.CounterObject, "read", history.Nil, history.Int(0), false},
		{workloads.CounterObject, "add", two, two, false},
		{workloads.CounterObject, "add", one, history.Int(3), false},
		{workloads.CounterObject, "read", history.Nil, history.Int(3), false},
		{workloads.LockObject, "read", history.Nil, history.Nil, false},
		{workloads.LockObject, "acquire", name, history.Int(1), false},
		{workloads.LockObject, "acquire", history.String("p2"), history.Nil, true},
		{workloads.LockObject, "release", history.String("p2"), history.Nil, true},
		{workloads.LockObject, "read", history.Nil, name, false},
		{workloads.LockObject, "release", name, history.Nil, false},
		{workloads.LockObject, "read", history.Nil, history.Nil, false},
		{workloads.LockObject, "acquire", name, history.Int(2), false},
	}
	for _, silent := range []bool{false, true} {
		c := Open("n1", &memory{cells: map[string]Cell{}, silent: silent})
		for _, s := range steps {
			key := "r" + string(s.object)
			if s.object == workloads.RegisterObject {
				key = "r"
			}
			got := c.Invoke(t.Context(), workloads.Operation{Object: s.object, F: s.f, Key: key, Input: s.input})
			require.Equal(t, "n1", got.Node)
			want := history.OK
			if s.fails || silent && s.f == "cas" && s.want.Equal(two) { // nobody knows what it saw
				want = history.Fail
			}
			require.Equal(t, want, got.Type, "%s %s %v: %s", s.object, s.f, s.input, got.Error)
			if want == history.OK {
				require.True(t, s.want.Equal(got.Output), "%s %s %v answers %v", s.object, s.f, s.input, got.Output)
			}
		}
	}
}

// A change that others came before begins again from what is there now, a bounded number of times.
func TestOthersAreFaster(t *testing.T) {
	for _, silent := range []bool{false, true} {
		m := &memory{cells: map[string]Cell{}, silent: silent}
		others := 3
		m.between = func() {
			if others > 0 {
				others--
				m.cells["k"] = Cell{Text: m.cells["k"].Text + "x", Found: true}
			}
		}
		c := Open("n1", m)
		op := workloads.Operation{Object: workloads.TextObject, F: "append", Key: "k", Input: history.String("y")}
		require.Equal(t, history.OK, c.Invoke(t.Context(), op).Type)
		require.Equal(t, "xxxy", m.cells["k"].Text)
		others = 1000
		got := c.Invoke(t.Context(), op)
		require.Equal(t, history.Fail, got.Type)
		require.Equal(t, "others were faster 20 times", got.Error)
		require.NotContains(t, m.cells["k"].Text, "yy")
	}
}

// A write with an error that nobody has classified is unknown, whatever the operation is made of.
func TestErrorsOfWrites(t *testing.T) {
	for _, definite := range []bool{false, true} {
		m := &memory{cells: map[string]Cell{}, fail: errors.New("broken")}
		want := history.Info
		if definite {
			m.fail, want = systems.Definitely("refused"), history.Fail
		}
		c := Open("n1", m)
		for _, op := range []workloads.Operation{
			{F: "put", Key: "k", Input: history.Int(1)},
			{F: "cas", Key: "k", Input: pair(history.Nil, history.Int(1))},
			{Object: workloads.TextObject, F: "put", Key: "t", Input: history.String("a")},
			{Object: workloads.TextObject, F: "append", Key: "t", Input: history.String("a")},
			{Object: workloads.SetObject, F: "add", Key: "s", Input: history.Int(1)},
			{Object: workloads.CounterObject, F: "add", Key: "c", Input: history.Int(1)},
			{Object: workloads.LockObject, F: "acquire", Key: "l", Input: history.String("p")},
		} {
			require.Equal(t, want, c.Invoke(t.Context(), op).Type, "%+v", op)
		}
	}
}
