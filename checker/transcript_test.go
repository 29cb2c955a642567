package checker

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// TestLinearizable judges the histories in testdata/linearizable. A line is one operation: process, function, argument,
// what it answered, and from when to when it was open:
//
//	0 put 1        [10, 20]
//	1 cas 1 2 -> 1 [12, 30]
//	2 get -> 2     [25, 40]
//	3 put 3        [30, ?]     crashed
//	4 get -> fail  [30, 40]
//	0 get@k -> nil [50, 60]    of key k
//	0 put 1 #7     [10, 20]    with log index 7
//
// Commands: register, sum (a model as a user of the package writes one), and the names of Models.
func TestLinearizable(t *testing.T) {
	datadriven.RunTest(t, "testdata/linearizable", func(t *testing.T, d *datadriven.TestData) string {
		models := Models()
		models["register"], models["sum"] = Register(), sum()
		m, ok := models[d.Cmd]
		if !ok {
			d.Fatalf(t, "no model %q", d.Cmd)
		}
		h := &history.History{Operations: parseOperations(t, d.Input)}
		return report(patientCheck(m, h.Operations))
	})
}

func report(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", strings.TrimSuffix(string(r.Verdict)+": "+r.Reason, ": "))
	for _, k := range r.Keys {
		if len(r.Keys) > 1 || r.Verdict == Valid {
			fmt.Fprintf(&b, "key %q: %s by %s", k.Key, k.Verdict, k.DecidedBy)
			if k.Reason != "" {
				fmt.Fprintf(&b, ": %s", k.Reason)
			}
			b.WriteString("\n")
		} else {
			fmt.Fprintf(&b, "by %s\n", k.DecidedBy)
		}
		for _, op := range k.Evidence {
			ret := strconv.FormatInt(int64(op.Return), 10)
			if op.Return == history.Forever {
				ret = "?"
			}
			fmt.Fprintf(&b, "  %d %s [%d, %s]\n", op.Process, describeOperation(&op), op.Call, ret)
		}
	}
	for _, w := range r.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	return b.String()
}

func parseOperations(t testing.TB, input string) []history.Operation {
	var ops []history.Operation
	for _, line := range strings.Split(input, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		op, err := parseOperation(line)
		require.NoError(t, err, line)
		op.Index = len(ops)
		ops = append(ops, op)
	}
	return ops
}

func parseOperation(line string) (op history.Operation, err error) {
	at := strings.LastIndex(line, "[")
	from, to, comma := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line[at+1:]), "]"), ",")
	if at < 0 || !comma {
		return op, fmt.Errorf("no [from, to]")
	}
	open := line[:at]
	if op.Call, err = parseTime(from); err != nil {
		return op, err
	}
	if op.Return, err = parseTime(to); err != nil {
		return op, err
	}
	call, answer, answered := strings.Cut(open, "->")
	if before, log, ok := strings.Cut(open, "#"); ok {
		if op.LogIndex, err = strconv.ParseUint(strings.TrimSpace(log), 10, 64); err != nil {
			return op, err
		}
		call, answer, answered = strings.Cut(before, "->")
	}
	words := strings.Fields(call)
	if op.Process, err = strconv.Atoi(words[0]); err != nil {
		return op, err
	}
	op.F, op.Key, _ = strings.Cut(words[1], "@")
	switch args := words[2:]; len(args) {
	case 0:
	case 1:
		op.Input = parseValue(args[0])
	default:
		op.Input = history.List(parseValue(args[0]), parseValue(args[1]))
	}
	op.Type = history.OK
	switch answer = strings.TrimSpace(answer); {
	case op.Return == history.Forever:
		op.Type = history.Info
	case answer == "fail":
		op.Type = history.Fail
	case answered:
		op.Output = parseValue(answer)
	}
	return op, nil
}

func parseTime(s string) (time.Duration, error) {
	if s = strings.TrimSpace(s); s == "?" {
		return history.Forever, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Duration(n), err
}

func parseValue(s string) history.Value {
	if s == "nil" {
		return history.Nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return history.Int(n)
	}
	if list, ok := strings.CutPrefix(s, "["); ok {
		var vs []history.Value
		for _, w := range strings.Fields(strings.TrimSuffix(list, "]")) {
			vs = append(vs, parseValue(w))
		}
		return history.List(vs...)
	}
	return history.String(strings.Trim(s, `"`))
}

// sum is a model as a user of the package writes one: add returns the new sum.
func sum() Model {
	return Model{
		Name: "sum",
		Init: func() any { return int64(0) },
		Step: func(_ context.Context, s any, op *history.Operation) (any, bool) {
			n, _ := op.Input.AsInt()
			sum := s.(int64) + n
			got, _ := op.Output.AsInt()
			return sum, op.Type != history.OK || got == sum
		},
	}
}
