package checker

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// The exact checkers are held against porcupine on many small random histories, legal and not, and on the way against
// sources in which one of their conditions is left out; see TestEachConditionIsNeeded.
//
// `make test` asks about a few thousand histories for each; `make test-checker` about 200,000.
var histories = flag.Int("histories", 2_000, "random histories for each exact checker, half of them legal")

// some is how many random histories a test takes, of the whole course's.
func some(of int) int { return max(of**histories/200_000/slowdown, 50) }

func unbounded(t testing.TB) *bounds {
	b := newBounds(context.Background(), 1<<30)
	t.Cleanup(b.release)
	return b
}

// agreement is how a checker compares with porcupine.
type agreement struct {
	valid, invalid, abstained int
	disagreement              string // the first one
}

// compare asks both about n histories at least, half of them legal and half not; it stops at the first disagreement.
func compare(t testing.TB, seed uint64, n int, next func(*rand.Rand) generator, ask func(b *bounds, m *Model, ops []*history.Operation) (Verdict, bool)) agreement {
	return compareModel(t, Register(), seed, n, func(r *rand.Rand) []history.Operation {
		g := next(r)
		return g.history()
	}, ask)
}

func compareModel(t testing.TB, m Model, seed uint64, n int, next func(*rand.Rand) []history.Operation, ask func(b *bounds, m *Model, ops []*history.Operation) (Verdict, bool)) agreement {
	var a agreement
	b := unbounded(t)
	r := rand.New(rand.NewPCG(seed, 1))
	for a.valid < n/2 || a.invalid < n/2 {
		ops := fit(&m, next(r))
		got, ok := ask(b, &m, ops)
		if !ok {
			a.abstained++
			continue
		}
		want := decidePorcupine(b, ops, machineOf(&m, ops), 0)
		if got != want {
			a.disagreement = fmt.Sprintf("porcupine says %s, the checker %s:\n%s", want, got, listing(ops))
			return a
		}
		if want == Valid {
			a.valid++
		} else {
			a.invalid++
		}
	}
	return a
}

func listing(ops []*history.Operation) string {
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "process %d: %s [%d, %d] %v\n", op.Process, describeOperation(op), op.Call, returned(op), op.Type)
	}
	return b.String()
}

func askChains(b *bounds, _ *Model, ops []*history.Operation) (Verdict, bool) {
	v, _, ok := decideChains(b, ops, compileRegister(ops).(*registerMachine))
	return v, ok
}

func askFrontier(b *bounds, m *Model, ops []*history.Operation) (Verdict, bool) {
	v, _, _ := decideFrontier(b, m, ops, machineOf(m, ops))
	return v, true
}

func askUnseen(b *bounds, m *Model, ops []*history.Operation) (Verdict, bool) {
	kept := withoutUnseen(ops, compileRegister(ops).(*registerMachine))
	return decidePorcupine(b, kept, machineOf(m, kept), 0), len(kept) < len(ops)
}

func repeating(r *rand.Rand) generator {
	g := randomGenerator(r)
	g.unique, g.noValue = false, r.IntN(2) == 0
	return g
}

func crashing(r *rand.Rand) generator {
	g := repeating(r)
	g.unique, g.crashes = r.IntN(2) == 0, 0.4
	return g
}

func requireAgreement(t *testing.T, a agreement) {
	t.Helper()
	require.Empty(t, a.disagreement)
	t.Logf("%d valid, %d invalid, %d not for this checker", a.valid, a.invalid, a.abstained)
}

func TestChainsAgreeWithPorcupine(t *testing.T) {
	t.Parallel()
	requireAgreement(t, compare(t, 1, some(200_000), randomGenerator, askChains))
}

func TestZonesAgreeWithPorcupine(t *testing.T) {
	t.Parallel()
	requireAgreement(t, compare(t, 2, some(200_000), func(r *rand.Rand) generator {
		g := randomGenerator(r)
		g.cas = false
		return g
	}, askChains))
}

func TestFrontierAgreesWithPorcupine(t *testing.T) {
	t.Parallel()
	requireAgreement(t, compare(t, 3, some(200_000), randomGenerator, askFrontier))
	requireAgreement(t, compare(t, 4, some(200_000), repeating, askFrontier))
}

func TestLeavingOutUnseenWritesAgreesWithPorcupine(t *testing.T) {
	t.Parallel()
	requireAgreement(t, compare(t, 5, some(200_000), crashing, askUnseen))
}
