// Package felt measures what the clients of a run felt, from the files that it leaves: throughput and latency in calm and under
// each fault, the time without a leader, and how long it took after each heal until clients were served as before.
//
// It is a few numbers a run, so that a campaign can keep them for thousands of runs; what is compared later are runs, each of
// which counts once, and not operations, which are not independent of each other.
package felt
