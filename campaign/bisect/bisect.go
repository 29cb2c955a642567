package bisect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"

	"github.com/ordeal-dev/ordeal/campaign/stats"
)

// Outcome is what came of a run.
type Outcome int

// Outcomes.
const (
	Passed     Outcome = iota
	Failed             // as the bad end does
	Unknown            // no verdict: the run does not count
	Untestable         // the version cannot be run, it does not compile say
)

// Trial runs a version once: 0 is the good end, the last the bad one. Attempts of a version have numbers from 0. It is called from several
// goroutines where Options.Parallel is above 1.
type Trial func(ctx context.Context, version, attempt int) (Outcome, error)

// Options say how sure a bisection has to be.
type Options struct {
	Error    float64    // chance of naming a wrong commit, if runs are not exact
	Exact    bool       // a version fails in each run or in none: one run a step
	GoodRate float64    // at which good versions fail too
	Failures int        // that the bad end has to show before its rate counts as known
	Most     int        // runs of one version, before it counts as not failing or not decidable
	Parallel int        // runs at once
	Report   func(Step) // after each version that was decided
}

// Default are the usual options. Eight failures make the least number of runs in all, for bugs that show each time and for those that show in one
// run of ten: fewer leave the rate so uncertain that every good commit takes more runs than were spared.
var Default = Options{Error: 0.05, Failures: 8, Most: 500, Parallel: 1}

// surest is the smallest chance of an error that can be asked for: shared among the steps it still is a number that can be reckoned with.
const surest = 1e-6

// mostParallel bounds runs at once: each has a cluster of its own.
const mostParallel = 1000

// Check says what is wrong with options.
func (o Options) Check() error {
	switch {
	case !(o.Error >= surest && o.Error < 0.5):
		return fmt.Errorf("--error %v: want a chance of %v to below 0.5", o.Error, surest)
	case !(o.GoodRate >= 0 && o.GoodRate < 1):
		return fmt.Errorf("--good-rate %v: want a rate of 0 to below 1", o.GoodRate)
	case o.Failures < 1 || o.Most < o.Failures:
		return errors.New("--failures and --most have to be 1 or more, and --most no less than --failures")
	case o.Parallel < 1 || o.Parallel > mostParallel:
		return fmt.Errorf("--parallel %d: want 1 to %d", o.Parallel, mostParallel)
	}
	return nil
}

// Step is a version that was decided.
type Step struct {
	Version  int            `json:"version"`
	Decision stats.Decision `json:"decision"` // Undecided: it was passed over
	Runs     int            `json:"runs"`     // that came to a verdict
	Failures int            `json:"failures"`
	Why      string         `json:"why,omitempty"` // it was passed over
}

// Result is what a bisection found: the failure came with one of the versions from First to Last. They are the same but where versions
// in between could not be decided.
type Result struct {
	First int     `json:"first"`
	Last  int     `json:"last"`
	Exact bool    `json:"exact"`
	Error float64 `json:"error"` // the chance that this is wrong; 0 where runs are exact
	Rate  float64 `json:"rate"`  // the bad end surely fails at least at
	Runs  int     `json:"runs"`
	Steps []Step  `json:"steps"`
}

// ErrDoesNotFail is in the error of a bisection whose bad end does not fail.
var ErrDoesNotFail = errors.New("the bad end does not fail")

// ErrCannotRun is in the error of a bisection whose bad end cannot be run, on whatever seed.
var ErrCannotRun = errors.New("the bad end cannot be run: it does not compile, say; name a commit that does")

// untestable is why a version that cannot be run is passed over.
const untestable = "it cannot be run"

// search is a bisection under way.
type search struct {
	options  Options
	trial    Trial
	versions int
	result   Result
	planned  int // decisions, if none is passed over
	decided  int
}

// share is what the next decision may err with. Versions that are passed over can make more decisions necessary than were planned: those
// share what is left, each half of it.
func (s *search) share() float64 {
	if s.decided < s.planned {
		return s.options.Error * 0.7 / float64(s.planned)
	}
	return s.options.Error * 0.05 / math.Pow(2, float64(s.decided-s.planned+1))
}

// Search looks for the first bad of so many versions, of which the first is good and the last bad.
func Search(ctx context.Context, versions int, trial Trial, o Options) (Result, error) {
	if err := o.Check(); err != nil {
		return Result{}, err
	}
	if versions < 2 {
		return Result{}, errors.New("a bisection needs a good version and a bad one")
	}
	s := &search{options: o, trial: trial, versions: versions, result: Result{Exact: o.Exact}}
	if !o.Exact {
		s.result.Error = o.Error
	}
	if err := s.ends(ctx); err != nil {
		return s.result, err
	}
	return s.result, s.halve(ctx)
}

// ends looks at the bad end and the good one.
func (s *search) ends(ctx context.Context) error {
	s.planned = 1 + bits.Len(uint(s.versions-2)) // the good end, and as many halvings as any outcome can take
	bad, err := s.measure(ctx, s.versions-1)
	if err != nil {
		return err
	}
	switch {
	case bad.Why == untestable:
		return ErrCannotRun
	case bad.Decision == stats.Undecided:
		return fmt.Errorf("%w often enough: %d failures in %d runs (%s); give it more time or harder faults, or allow more with --most", ErrDoesNotFail, bad.Failures, bad.Runs, bad.Why)
	}
	s.result.Rate = 1
	if !s.options.Exact {
		s.result.Rate = stats.LeastRate(bad.Failures, bad.Runs, s.options.Error/4)
	}
	if s.result.Rate <= s.options.GoodRate {
		return fmt.Errorf("the bad end fails at a rate of %.3g or more, which is no more than good versions may (%.3g): they cannot be told apart", s.result.Rate, s.options.GoodRate)
	}
	good, err := s.decide(ctx, 0)
	if err != nil {
		return err
	}
	switch good.Decision {
	case stats.Good:
		return nil
	case stats.Bad:
		return fmt.Errorf("the good end fails too, %d times in %d runs: begin at an older commit", good.Failures, good.Runs)
	}
	return fmt.Errorf("the good end cannot be decided: %s", good.Why)
}

func (s *search) need() int {
	if s.options.Exact {
		return 1
	}
	return s.options.Failures
}

// measure runs the bad end until it has failed often enough.
func (s *search) measure(ctx context.Context, version int) (Step, error) {
	step, most := Step{Version: version}, s.options.Most
	if s.options.Exact {
		most = 1
	}
	err := s.runs(ctx, version, &step, func(failed bool) bool {
		return step.Failures >= s.need() || step.Runs >= most
	})
	switch {
	case err != nil:
		return step, err
	case step.Failures >= s.need():
		step.Decision = stats.Bad
	case step.Why == "":
		step.Why = fmt.Sprintf("%d failures were wanted", s.need())
	}
	s.report(step)
	return step, err
}

// decide runs a version until it is good or bad, or cannot be decided.
func (s *search) decide(ctx context.Context, version int) (Step, error) {
	step := Step{Version: version}
	test := stats.Sequential{Lower: s.options.GoodRate, Higher: s.result.Rate, Error: s.share()}
	err := s.runs(ctx, version, &step, func(failed bool) bool {
		if s.options.Exact {
			step.Decision = stats.Good
			if failed {
				step.Decision = stats.Bad
			}
			return true
		}
		step.Decision = test.Add(failed)
		return step.Decision != stats.Undecided || step.Runs >= s.options.Most
	})
	if step.Decision == stats.Undecided && step.Why == "" {
		step.Why = fmt.Sprintf("%d runs did not decide it", step.Runs)
	}
	if step.Decision != stats.Undecided {
		s.decided++
	}
	s.report(step)
	return step, err
}

func (s *search) report(step Step) {
	s.result.Runs += step.Runs
	s.result.Steps = append(s.result.Steps, step)
	if s.options.Report != nil {
		s.options.Report(step)
	}
}

// tooManyUnknown in a row: the version does not come to verdicts.
const tooManyUnknown = 10

// runs runs a version, several at once, and hands their outcomes over in the order of their numbers until enough says so.
func (s *search) runs(ctx context.Context, version int, step *Step, enough func(failed bool) bool) error {
	unknown := 0
	for attempt := 0; ; attempt += s.options.Parallel {
		for _, r := range s.batch(ctx, version, attempt) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			switch {
			case r.err != nil:
				return r.err
			case r.outcome == Untestable:
				step.Why = untestable
				return nil
			case r.outcome == Unknown:
				if unknown++; unknown == tooManyUnknown {
					step.Why = fmt.Sprintf("%d runs in a row came to no verdict", unknown)
					return nil
				}
				continue
			}
			unknown = 0
			step.Runs++
			if r.outcome == Failed {
				step.Failures++
			}
			if enough(r.outcome == Failed) {
				return nil
			}
		}
	}
}

type trialResult struct {
	outcome Outcome
	err     error
}

func (s *search) batch(ctx context.Context, version, attempt int) []trialResult {
	size := s.options.Parallel
	if s.options.Exact {
		size = 1
	}
	results := make([]trialResult, size)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() { results[i].outcome, results[i].err = s.trial(ctx, version, attempt+i) })
	}
	group.Wait()
	return results
}

// halve narrows the versions between a good and a bad one. Where the middle cannot be decided its neighbours are tried.
func (s *search) halve(ctx context.Context) error {
	good, bad := 0, s.versions-1
	passedOver := map[int]bool{}
	for {
		version, ok := nearestMiddle(good, bad, passedOver)
		if !ok {
			s.result.First, s.result.Last = good+1, bad
			return nil
		}
		step, err := s.decide(ctx, version)
		if err != nil {
			return err
		}
		switch step.Decision {
		case stats.Good:
			good = version
		case stats.Bad:
			bad = version
		default:
			passedOver[version] = true
		}
	}
}

// nearestMiddle is the version nearest to the middle that was not passed over.
func nearestMiddle(good, bad int, passedOver map[int]bool) (int, bool) {
	middle := good + (bad-good)/2
	for d := 0; d < bad-good; d++ {
		for _, v := range []int{middle - d, middle + d} {
			if good < v && v < bad && !passedOver[v] {
				return v, true
			}
		}
	}
	return 0, false
}
