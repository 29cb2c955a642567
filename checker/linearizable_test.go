package checker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSummary(t *testing.T) {
	bad := func(key string) KeyResult { return KeyResult{Key: key, Verdict: Invalid, Reason: "stale"} }
	good, open := KeyResult{Key: "z", Verdict: Valid}, KeyResult{Key: "y", Verdict: Unknown, Reason: "late"}
	for _, c := range []struct {
		keys    []KeyResult
		verdict Verdict
		reason  string
	}{
		{nil, Valid, ""},
		{[]KeyResult{good}, Valid, ""},
		{[]KeyResult{bad("")}, Invalid, "stale"},
		{[]KeyResult{bad("a"), good}, Invalid, `key "a": stale`},
		{[]KeyResult{bad("a"), bad("b"), good}, Invalid, `key "a": stale (and 1 more key of 3)`},
		{[]KeyResult{open, bad("a"), bad("b"), bad("c")}, Invalid, `key "a": stale (and 2 more keys of 4)`},
		{[]KeyResult{good, open}, Unknown, `key "y": late`},
	} {
		verdict, reason := summary(c.keys)
		require.Equal(t, c.verdict, verdict)
		require.Equal(t, c.reason, reason)
	}
}
