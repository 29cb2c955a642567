// Package stats is the statistics that campaigns are compared with: failure rates and their intervals, whether two rates
// differ, how many runs it would take to tell, intervals of medians, and tests that go on until they know enough.
//
// Failures are rare and runs are few, so nothing here leans on large samples where an exact method is affordable:
// differences are Fisher's exact test, power is summed over the very test that will be made, and a sequential test keeps
// the error it promises for any number of looks. Distributions and special functions are gonum's.
package stats
