package checker

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// indexed is a random history of an object with log indices: those of the order in which operations took effect, and now
// and then ones that lie.
func indexed(r *rand.Rand, object func(g *generator) simulated, mangle func(g *generator, op *history.Operation, ops []history.Operation)) []history.Operation {
	lies, index := r.IntN(2) == 0, uint64(0)
	ops := objectHistory(r, func(g *generator) simulated {
		s := object(g)
		apply := s.apply
		s.apply = func(op *history.Operation) bool {
			if !apply(op) {
				return false
			}
			if op.F != "get" && op.F != "read" {
				index++
			}
			op.LogIndex = index + 1
			return true
		}
		return s
	}, mangle)
	for i := range ops {
		if lies && r.IntN(4) == 0 {
			ops[i].LogIndex = uint64(r.IntN(int(index) + 3))
		}
	}
	return ops
}

// A history whose log order is a legal one is linearizable, whatever else the system says. That it is not says nothing: so
// only the first is compared. Both must happen.
func TestLogOrderIsAProof(t *testing.T) {
	t.Parallel()
	cases := objectCases()
	cases["register"] = objectCase{Register(), registerObject, otherAnswer}
	for name, c := range cases {
		count := map[Verdict]int{} // porcupine's, of those accepted; and of those not
		b := unbounded(t)
		r := rand.New(rand.NewPCG(31, 32))
		accepted := 0
		for range some(200_000) {
			ops := fit(&c.model, indexed(r, c.object, c.mangle))
			want := decidePorcupine(b, ops, machineOf(&c.model, ops), 0)
			if followsLog(context.Background(), &c.model, ops, machineOf(&c.model, ops)) {
				require.Equal(t, Valid, want, "porcupine says the log order is no proof for\n%s", listing(ops))
				accepted++
				continue
			}
			count[want]++
		}
		require.Greater(t, accepted, some(10_000), name)
		require.Greater(t, count[Invalid], some(10_000), name)
	}
}

func registerObject(g *generator) simulated {
	value, next := history.Nil, int64(0)
	return simulated{
		next: func(int) (string, history.Value) {
			switch next++; g.random.IntN(3) {
			case 0:
				return "put", history.Int(next)
			case 1:
				return "cas", history.List(value, history.Int(next))
			}
			return "get", history.Nil
		},
		apply: func(op *history.Operation) bool {
			value = take(op, value)
			return true
		},
	}
}
