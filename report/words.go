package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ordeal-dev/ordeal/history"
)

// shown makes any string safe to look at: broken UTF-8 is replaced, characters that have no shape or change the direction
// of the text are written as escapes, and what is longer than limit characters is cut, with its length.
func shown(s string, limit int) string {
	var b strings.Builder
	count := 0
	for _, r := range s {
		if count == limit {
			fmt.Fprintf(&b, "… (%s bytes)", thousands(len(s)))
			break
		}
		count++
		switch {
		case r == utf8.RuneError, r == ' ', unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// short is shown without the length of what was cut, for places where there is no room.
func short(s string, limit int) string {
	r := []rune(shown(s, limit))
	if len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return string(r)
}

// duration shows three digits or so: 412 µs, 3.21 ms, 1.50 s, 2m05s.
func duration(d time.Duration) string {
	switch {
	case d == history.Forever:
		return "never"
	case d < 0:
		return "−" + duration(-d)
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return digits(float64(d)/1e3) + " µs"
	case d < time.Second:
		return digits(float64(d)/1e6) + " ms"
	case d < time.Minute:
		return digits(d.Seconds()) + " s"
	}
	s := int(d.Round(time.Second).Seconds())
	if s < 3600 {
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm%02ds", s/3600, s/60%60, s%60)
}

func digits(x float64) string {
	switch {
	case x == math.Trunc(x) && x < 1000:
		return strconv.Itoa(int(x))
	case x < 9.995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}

// instant is a moment of the test, to the millisecond or finer where it matters: 12.345 s.
func instant(d time.Duration) string {
	if d == history.Forever {
		return "never"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) + " s"
}

// exactInstant is a moment to the microsecond, for evidence, where the order decides.
func exactInstant(d time.Duration) string {
	if d == history.Forever {
		return "never"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 6, 64) + " s"
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is "1 fault", "2,000 faults".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// rate is a number a second.
func rate(n int, over time.Duration) string {
	if over <= 0 {
		return "0/s"
	}
	r := float64(n) / over.Seconds()
	if r >= 100 {
		return thousands(int(math.Round(r))) + "/s"
	}
	return digits(r) + "/s"
}

// call is the operation as it was asked: put 17, cas 3→4, get.
func call(op history.Operation, limit int) string {
	name := shown(op.F, 30)
	if op.Input.IsNil() {
		return name
	}
	if old, swap, ok := op.Input.AsPair(); ok && op.F == "cas" {
		return name + " " + shown(old.String(), limit/2) + "→" + shown(swap.String(), limit/2)
	}
	return name + " " + shown(op.Input.String(), limit)
}

// result is what came of it: → 17, → ok, ✗ timeout, and a question mark where nobody knows.
func result(op history.Operation, limit int) string {
	switch op.Type {
	case history.OK:
		if old, _, ok := op.Input.AsPair(); ok && op.F == "cas" {
			if op.Output.Equal(old) {
				return "→ swapped"
			}
			return "→ no, it is " + shown(op.Output.String(), limit)
		}
		if op.Output.IsNil() && !reads(op) {
			return "→ ok"
		}
		return "→ " + shown(op.Output.String(), limit)
	case history.Fail:
		if op.Error != "" {
			return "✗ " + shown(op.Error, limit)
		}
		return "✗ failed"
	}
	return "→ ?"
}

// reads tells that the operation asks and takes no argument: a nil it is answered with is a value.
func reads(op history.Operation) bool { return op.Input.IsNil() }

// shell quotes a command line for a POSIX shell.
func shell(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.ContainsFunc(a, func(r rune) bool {
			return !(r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r))) && !strings.ContainsRune("-_=./,:@%+", r)
		}) {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
