// Package compare says whether one version is worse than another, how sure that is, and what clients felt of it.
//
// Sides are versions of campaigns; the first is what the others are held against. Runs are counted by cell: a workload and a
// mixture of faults under the same conditions. What differs in any condition is not compared.
//
// # How sure
//
// A rate is that of the runs that came to a verdict, with Wilson's interval. Two rates differ where Fisher's exact test says so at the
// level asked for, after Holm's correction for all the tests that are made: violations and runs without a verdict, in every cell, for
// every side. Where nothing can be said the comparison says what it would take: how many more runs.
//
// What clients felt is the median over runs, with an interval of order statistics; two medians differ where the interval of
// their ratio, corrected for the number of such tests (Bonferroni), leaves out 1.
package compare
