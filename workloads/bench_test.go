package workloads

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
)

// BenchmarkGenerator draws an operation, and is told that it succeeded.
func BenchmarkGenerator(b *testing.B) {
	for _, workload := range Names() {
		b.Run(workload, func(b *testing.B) {
			g, err := NewGenerator(workload, Options{Workers: 10})
			require.NoError(b, err)
			rng := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				op := g.Next(i%10, rng)
				g.Completed(i%10, op, history.OK, history.Nil)
			}
		})
	}
}
