package workloads

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
)

// No value is written twice to a key, keys are given up in time, and the final reads miss none.
func TestRegisterWritesUniqueValues(t *testing.T) {
	r := NewRegister(Options{Workers: 12})
	rng := rand.New(rand.NewPCG(1, 2))
	written, operations := map[string]bool{}, map[string]int{}
	for i := range 20_000 {
		worker := i % 12
		op := r.Next(worker, rng)
		operations[op.Key]++
		value := op.Input
		if op.F == "cas" {
			_, value, _ = op.Input.AsPair()
		}
		if op.F != "get" {
			require.False(t, written[op.Key+"/"+value.String()], "%s of %v twice", op.F, value)
			written[op.Key+"/"+value.String()] = true
		}
		r.Completed(worker, op, history.OK, valueAfter(op, history.Nil))
	}
	final := map[string]bool{}
	for _, op := range r.Final() {
		require.Equal(t, "get", op.F)
		final[op.Key] = true
	}
	for key, n := range operations {
		require.LessOrEqual(t, n, registerSharing.operations)
		require.True(t, final[key])
	}
	require.Greater(t, len(operations), 20_000/registerSharing.operations)
}

// A key with crashed writes is given up: each of them stays open for ever, and the checker has to consider it.
func TestRegisterGivesUpKeysWithCrashes(t *testing.T) {
	r := NewRegister(Options{Workers: 1})
	rng := rand.New(rand.NewPCG(1, 2))
	crashed := map[string]int{}
	for range 5_000 {
		op := r.Next(0, rng)
		if op.F != "get" {
			crashed[op.Key]++
		}
		r.Completed(0, op, history.Info, history.Nil)
	}
	for key, n := range crashed {
		require.LessOrEqual(t, n, registerSharing.crashes, key)
	}
}

// A cas expects the value seen last: with one worker and a faithful register it always succeeds.
func TestRegisterCompareAndSetExpectsWhatWasSeen(t *testing.T) {
	r := NewRegister(Options{Workers: 1})
	rng := rand.New(rand.NewPCG(3, 4))
	register, succeeded := map[string]history.Value{}, 0
	for range 3_000 {
		op := r.Next(0, rng)
		old := register[op.Key]
		register[op.Key] = valueAfter(op, old)
		if expected, _, ok := op.Input.AsPair(); ok {
			require.True(t, expected.Equal(old))
			succeeded++
		}
		r.Completed(0, op, history.OK, old)
	}
	require.NotZero(t, succeeded)
}

func TestUnknownWorkloadIsNamed(t *testing.T) {
	_, err := NewGenerator("chess", Options{Workers: 1})
	require.ErrorContains(t, err, `no workload "chess"; there are bank, counter`)
	_, err = NewGenerator("register", Options{})
	require.ErrorContains(t, err, "at least one client")
}
