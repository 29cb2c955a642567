// Package kv is the replicated state machine: a map from keys to byte strings, changed by atomic transactions.
//
// There is one kind of operation, a transaction of micro-operations on keys; single-key calls are its short forms.
// Queues, locks, sets and counters are workloads over it. The package is deterministic: the same commands in the same
// order give the same state and the same answers on every replica (R3).
package kv
