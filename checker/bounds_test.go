package checker

import (
	"context"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// What a step returns once its context ended does not matter, also in the moment before anybody was told.
func TestAStepAfterTheEndDecidesNothing(t *testing.T) {
	for _, ok := range []bool{true, false} {
		m := sum()
		m.Step = func(ctx context.Context, s any, _ *history.Operation) (any, bool) {
			<-ctx.Done()
			return s, ok
		}
		ops := fit(&m, parseOperations(t, "0 add 1 -> 1 [10, 20]"))
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			b := newBounds(ctx, 1<<30)
			b.off() // the word never comes
			require.Equal(t, Unknown, decidePorcupine(b, ops, machineOf(&m, ops), 0))
			b = newBounds(ctx, 1<<30)
			b.off()
			b.why.Store(nil)
			v, _, _ := decideFrontier(b, &m, ops, machineOf(&m, ops))
			require.Equal(t, Unknown, v)
			require.False(t, followsLog(ctx, &m, ops, machineOf(&m, ops)))
			cancel()
		}
	}
}
