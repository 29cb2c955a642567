// Package harness runs one test from set-up to verdict: it brings a cluster up, lets clients work on it while the
// nemesis hurts it, heals it, reads everything a last time, takes everything down, and has the history judged.
//
// What keeps the verdict honest: an invocation is in the history before the request leaves and a completion after the
// answer came; an operation with an unknown outcome retires its process; a fault counts only with evidence; a run in
// which nothing succeeded, or in which no fault overlapped an operation, is unknown and never valid.
package harness
