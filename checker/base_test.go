package checker_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
)

// Long histories of a register that is written few values again and again, one operation after the other, then a read of what was
// overwritten. The frontier cuts them at a moment when the state was certain. The evidence keeps the put that stands for what was before
// that moment: without it, a read of a value that was put earlier would seem illegal, and with that put beside it legal.
func TestEvidenceFromTheMiddleOfAHistory(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{150, 250, 1000} {
		for _, values := range []int{2, 5, n} {
			var h history.History
			now := time.Duration(0)
			do := func(f string, in, out history.Value) {
				h.Operations = append(h.Operations, history.Operation{Process: random.IntN(3), F: f, Key: "k", Type: history.OK, Input: in, Output: out,
					Call: now, Return: now + 1})
				now += 2
			}
			state := 0
			for i := range n {
				if i == 0 || random.IntN(3) == 0 {
					state = random.IntN(values)
					do("put", history.Int(int64(state)), history.Nil)
				} else {
					do("get", history.Nil, history.Int(int64(state)))
				}
			}
			do("put", history.Int(0), history.Nil)
			do("put", history.Int(int64(1)), history.Nil)
			do("put", history.Int(int64(1)), history.Nil)
			do("get", history.Nil, history.Int(0))
			r := checker.Linearizable(checker.Register()).Check(context.Background(), &h, checker.Options{})
			require.Equal(t, checker.Invalid, r.Verdict, "%d operations, %d values: %s", n, values, r.Reason)
			require.NotEmpty(t, r.Keys[0].Evidence)
			if n > 200 { // fewer are reduced as a whole
				require.LessOrEqual(t, len(r.Keys[0].Evidence), 4, "few show it")
				require.Greater(t, len(r.Keys[0].Evidence), 1, "a read alone shows nothing: the put that overwrote its value has to be there")
			}
		}
	}
}
