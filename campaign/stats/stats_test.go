package stats_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/campaign/stats"
)

// Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
func TestWilsonAsPublished(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718},
	} {
		i := stats.Wilson(c.k, c.n, 0.95)
		require.InDelta(t, c.low, i.Low, 5e-5, "%d of %d", c.k, c.n)
		require.InDelta(t, c.high, i.High, 5e-5, "%d of %d", c.k, c.n)
	}
	require.Equal(t, stats.Interval{Low: 0, High: 1}, stats.Wilson(0, 0, 0.95))
}

func TestWilsonHoldsTheRateAndNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		i := stats.Wilson(k, n, 0.95)
		p := float64(k) / float64(n)
		if i.Low < 0 || i.High > 1 || i.Low > p || i.High < p {
			t.Fatalf("%d of %d: %v", k, n, i)
		}
		if m := stats.Wilson(10*k, 10*n, 0.95); m.High-m.Low >= i.High-i.Low {
			t.Fatalf("ten times the runs do not narrow %v: %v", i, m)
		}
		if mirrored := stats.Wilson(n-k, n, 0.95); math.Abs(1-mirrored.High-i.Low) > 1e-12 {
			t.Fatalf("passes and failures differ: %v, %v", i, mirrored)
		}
	})
}

// Newcombe's table I, method 5: Clopper and Pearson's 95 % limits have 2.5 % on either side.
func TestLeastRateAsPublished(t *testing.T) {
	require.InDelta(t, 0.2527, stats.LeastRate(81, 263, 0.025), 5e-5)
	require.InDelta(t, 0.0578, stats.LeastRate(15, 148, 0.025), 5e-5)
	require.InDelta(t, 0.0009, stats.LeastRate(1, 29, 0.025), 5e-5)
	require.InDelta(t, math.Pow(0.05, 1.0/20), stats.LeastRate(20, 20, 0.05), 1e-12)
	require.Zero(t, stats.LeastRate(0, 20, 0.05))
}

// Drawn until the k-th failure, the limit lies above the true rate no more often than promised.
func TestLeastRateOfRunsUntilEnoughFailures(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const rate, risk, rounds = 0.2, 0.1, 3000
	wrong := 0
	for range rounds {
		n := 0
		for k := 0; k < 4; n++ {
			if rng.Float64() < rate {
				k++
			}
		}
		if stats.LeastRate(4, n, risk) > rate {
			wrong++
		}
	}
	require.Less(t, float64(wrong)/rounds, risk+3*math.Sqrt(risk*(1-risk)/rounds))
}

func TestFisherAsPublished(t *testing.T) {
	for _, c := range []struct {
		source     string
		a, n, b, m int
		p          float64
	}{
		{"Fisher (1935), the lady tasting tea", 3, 4, 1, 4, 0.4857143},
		{"Fisher (1962), convicted like-sex twins, by R", 2, 17, 10, 13, 0.0005367241},
		{"scipy.stats.fisher_exact", 8, 10, 1, 6, 0.0349650},
		{"scipy.stats.fisher_exact", 6, 8, 1, 5, 0.1025641},
		{"nothing seen on either side", 0, 200, 0, 200, 1},
		{"nobody looked on one side", 0, 0, 3, 9, 1},
	} {
		require.InDelta(t, c.p, stats.Fisher(c.a, c.n, c.b, c.m), 1e-6, c.source)
	}
}

func TestFisherIsSymmetricAndAProbability(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, m := rapid.IntRange(1, 60).Draw(t, "n"), rapid.IntRange(1, 60).Draw(t, "m")
		a, b := rapid.IntRange(0, n).Draw(t, "a"), rapid.IntRange(0, m).Draw(t, "b")
		p := stats.Fisher(a, n, b, m)
		if p <= 0 || p > 1 {
			t.Fatalf("p = %v", p)
		}
		for _, q := range []float64{stats.Fisher(b, m, a, n), stats.Fisher(n-a, n, m-b, m)} {
			if math.Abs(p-q) > 1e-9 {
				t.Fatalf("sides or outcomes swapped: %v, %v", p, q)
			}
		}
	})
}

// Under one rate for both, p is at or below alpha no more often than alpha: by all outcomes, not by drawing.
func TestFisherKeepsItsLevel(t *testing.T) {
	for _, rate := range []float64{0.02, 0.1, 0.5} {
		const n, alpha = 40, 0.05
		b := distuv.Binomial{N: n, P: rate}
		wrong := 0.0
		for x := 0; x <= n; x++ {
			for y := 0; y <= n; y++ {
				if stats.Fisher(x, n, y, n) <= alpha {
					wrong += b.Prob(float64(x)) * b.Prob(float64(y))
				}
			}
		}
		require.LessOrEqual(t, wrong, alpha, "rate %v", rate)
	}
}

func TestHolmAsPublished(t *testing.T) {
	// The example of Holm's method in R's p.adjust and in textbooks.
	require.InDeltaSlice(t, []float64{0.03, 0.06, 0.06, 0.02}, stats.Holm([]float64{0.01, 0.04, 0.03, 0.005}), 1e-12)
	require.Empty(t, stats.Holm(nil))
}

func TestHolmKeepsOrderAndIsNoGentlerThanOneTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		adjusted := stats.Holm(p)
		for i := range p {
			if adjusted[i] < p[i] || adjusted[i] > min(1, p[i]*float64(len(p)))+1e-12 {
				t.Fatalf("%v -> %v", p, adjusted)
			}
			for j := range p {
				if p[i] < p[j] && adjusted[i] > adjusted[j] {
					t.Fatalf("the order is lost: %v -> %v", p, adjusted)
				}
			}
		}
	})
}

// power sums over every outcome, without any of the shortcuts.
func power(lower, higher float64, n int, alpha float64) (sum float64) {
	mass := func(p float64, x int) float64 { return distuv.Binomial{N: float64(n), P: p}.Prob(float64(x)) }
	for x := 0; x <= n; x++ {
		for y := x + 1; y <= n; y++ {
			if stats.Fisher(x, n, y, n) <= alpha {
				sum += mass(lower, x) * mass(higher, y)
			}
		}
	}
	return sum
}

func TestPowerIsTheSumOverAllOutcomes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		lower := rapid.Float64Range(0.001, 0.9).Draw(t, "lower")
		higher := rapid.Float64Range(lower, 0.999).Draw(t, "higher")
		alpha := rapid.SampledFrom([]float64{0.05, 0.01, 0.002}).Draw(t, "alpha")
		if got, want := stats.Power(lower, higher, n, alpha), power(lower, higher, n, alpha); math.Abs(got-want) > 1e-6 {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// One side that never fails: the other has to fail at least six times (p = 0.03 with 200 runs each; five give 0.06).
func TestPowerAgainstASideThatNeverFails(t *testing.T) {
	b := distuv.Binomial{N: 200, P: 0.05}
	require.Greater(t, stats.Fisher(0, 200, 5, 200), 0.05)
	require.LessOrEqual(t, stats.Fisher(0, 200, 6, 200), 0.05)
	require.InDelta(t, 1-b.CDF(5), stats.Power(0, 0.05, 200, 0.05), 1e-9)
}

// The fewest runs that suffice by the sum over all outcomes; the values for 0.05 and 0.15 and the like lie within a tenth of those of Casagrande,
// Pike and Smith's tables (1978).
func TestRunsNeeded(t *testing.T) {
	for _, c := range []struct {
		lower, higher float64
		table         int
	}{{0.05, 0.15, 160}, {0.1, 0.3, 72}, {0.2, 0.5, 45}, {0.01, 0.05, 333}} {
		n, ok := stats.RunsNeeded(c.lower, c.higher, 0.05, 0.8)
		require.True(t, ok)
		require.InEpsilon(t, c.table, n, 0.1, "%v", c)
		require.GreaterOrEqual(t, stats.Power(c.lower, c.higher, n, 0.05), 0.8)
		require.Less(t, stats.Power(c.lower, c.higher, n*9/10, 0.05), 0.8)
	}
	_, ok := stats.RunsNeeded(0.1, 0.1, 0.05, 0.8)
	require.False(t, ok)
	n, ok := stats.RunsNeeded(0.150, 0.167, 0.05, 0.8)
	require.True(t, ok)
	require.InEpsilon(t, 7200, n, 0.1, "too many to sum over")
	_, ok = stats.RunsNeeded(0.150, 0.1501, 0.05, 0.8)
	require.False(t, ok, "more than anybody runs")
}

func TestDetectable(t *testing.T) {
	rate, ok := stats.Detectable(0, 200, 0.05, 0.8)
	require.True(t, ok)
	require.InDelta(t, 0.8, stats.Power(0, rate, 200, 0.05), 0.01)
	_, ok = stats.Detectable(0, 2, 0.05, 0.8)
	require.False(t, ok, "two runs never tell")
}

// Where many failures are to be expected an approximation takes the place of the sum over all outcomes, which would take hours.
func TestDetectableOfManyRuns(t *testing.T) {
	for _, lower := range []float64{0.25, 0.5} {
		rate, ok := stats.Detectable(lower, 300, 0.01, 0.8)
		require.True(t, ok)
		require.InDelta(t, 0.8, stats.Power(lower, rate, 300, 0.01), 0.02)
	}
	rate, ok := stats.Detectable(0.5, 1_000_000, 0.001, 0.9)
	require.True(t, ok)
	require.InDelta(t, 0.503, rate, 0.001)
	for _, lower := range []float64{0.999, 1} {
		_, ok = stats.Detectable(lower, 100_000, 0.01, 0.999)
		require.Equal(t, lower < 1, ok)
	}
}

// The ranks for 95 % are in every table of the sign test: n = 10 gives the 2nd and 9th, n = 20 the 6th and 15th.
func TestMedianIntervalAsPublished(t *testing.T) {
	for n, rank := range map[int]int{6: 1, 8: 1, 9: 2, 10: 2, 12: 3, 15: 4, 20: 6, 25: 8, 50: 18, 100: 40} {
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(n - i)
		}
		i, ok := stats.MedianInterval(values, 0.95)
		require.True(t, ok, n)
		require.Equal(t, stats.Interval{Low: float64(rank), High: float64(n + 1 - rank)}, i, n)
		require.Equal(t, float64(n), values[0], "the values are left as they were")
	}
	_, ok := stats.MedianInterval([]float64{1, 2, 3, 4, 5}, 0.95)
	require.False(t, ok, "five values are too few")
	_, ok = stats.MedianInterval(nil, 0.95)
	require.False(t, ok)
}

func TestMedianRatio(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	draw := func(n int, scale float64) []float64 {
		values := make([]float64, n)
		for i := range values {
			values[i] = scale * math.Exp(rng.NormFloat64()/5)
		}
		return values
	}
	const rounds = 50
	held := 0
	for range rounds {
		i, ok := stats.MedianRatio(draw(30, 2), draw(40, 3), 0.95)
		require.True(t, ok)
		if i.Low <= 1.5 && 1.5 <= i.High {
			held++
		}
	}
	require.GreaterOrEqual(t, held, rounds*95/100, "a 95 %% interval")
	_, ok := stats.MedianRatio(draw(6, 1), draw(30, 1), 0.95)
	require.False(t, ok, "six values are all on one side of the median once in 32 times")
	i, ok := stats.MedianRatio(draw(200, 1), draw(200, 1.5), 0.95)
	require.True(t, ok)
	require.True(t, i.Low > 1 && i.High < 2, "%v", i)
	_, ok = stats.MedianRatio(make([]float64, 9), draw(9, 1), 0.95)
	require.False(t, ok, "nothing divides by 0")
}

// A family of metrics of few runs, with tails as long as latencies under faults have, of one version against itself: a difference is called in
// any of them no more often than the level says.
func TestMedianRatioOfFewRunsIsNotTooSure(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	draw := func(n int) []float64 {
		values := make([]float64, n)
		for i := range values {
			values[i] = math.Exp(2 * rng.NormFloat64())
		}
		return values
	}
	const rounds, family, level = 1000, 10, 0.05
	for _, n := range []int{5, 12} {
		alarms := 0
		for range rounds {
			for range family {
				if i, ok := stats.MedianRatio(draw(n), draw(n), 1-level/family); ok && (i.Low > 1 || i.High < 1) {
					alarms++
					break
				}
			}
		}
		require.LessOrEqual(t, alarms, int(rounds*level), "%d runs", n)
	}
}

func TestSequentialErrsNoMoreThanPromised(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const lower, higher, risk, rounds = 0.05, 0.25, 0.05, 2000
	for _, rate := range []float64{lower, higher} {
		wrong := 0
		for range rounds {
			s := stats.Sequential{Lower: lower, Higher: higher, Error: risk}
			d := stats.Undecided
			for d == stats.Undecided {
				d = s.Add(rng.Float64() < rate)
			}
			if (d == stats.Bad) != (rate == higher) {
				wrong++
			}
		}
		require.LessOrEqual(t, float64(wrong)/rounds, risk+3*math.Sqrt(risk*(1-risk)/rounds), "rate %v", rate)
	}
}

func TestSequentialAgainstNeverFailing(t *testing.T) {
	s := stats.Sequential{Lower: 0, Higher: 0.1, Error: 0.01}
	n := s.PassesToGood()
	require.Equal(t, 44, n) // 0.9^43 = 0.0108, 0.9^44 = 0.0097
	for range n - 1 {
		require.Equal(t, stats.Undecided, s.Add(false))
	}
	require.Equal(t, stats.Good, s.Add(false))
	s = stats.Sequential{Lower: 0, Higher: 0.1, Error: 0.01}
	require.Equal(t, stats.Undecided, s.Add(false))
	require.Equal(t, stats.Bad, s.Add(true))
}

func ExampleFisher() {
	fmt.Printf("%.4f\n", stats.Fisher(0, 200, 12, 200))
	// Output: 0.0004
}
