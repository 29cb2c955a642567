package stats

import "math"

// Decision is what a sequential test has come to.
type Decision int

// Decisions.
const (
	Undecided Decision = iota
	Good               // the rate is no higher than the lower one
	Bad                // the rate is no lower than the higher one
)

// Sequential is Wald's test whether runs fail at the rate Lower or at the rate Higher, looked at after every run. Its bounds
// are 1/Error and Error themselves (by Ville's inequality), so that the chance of a wrong decision is at most Error on either
// side, for any number of looks. Lower may be 0: then the first failure decides.
type Sequential struct {
	Lower, Higher float64 // 0 <= Lower < Higher <= 1
	Error         float64

	Failures, Passes int
	evidence         float64 // logarithm of the likelihood ratio, for Bad
}

// Add takes in a run.
func (s *Sequential) Add(failed bool) Decision {
	if failed {
		s.Failures++
		s.evidence += math.Log(s.Higher) - math.Log(s.Lower)
	} else {
		s.Passes++
		s.evidence += math.Log1p(-s.Higher) - math.Log1p(-s.Lower)
	}
	return s.Decision()
}

// Decision is what the runs so far say.
func (s *Sequential) Decision() Decision {
	switch bound := -math.Log(s.Error); {
	case s.evidence >= bound:
		return Bad
	case s.evidence <= -bound:
		return Good
	}
	return Undecided
}

// PassesToGood is how many runs without a failure decide for Good.
func (s *Sequential) PassesToGood() int {
	perPass := math.Log1p(-s.Lower) - math.Log1p(-s.Higher)
	return max(1, int(math.Ceil(-math.Log(s.Error)/perPass-1e-9)))
}
