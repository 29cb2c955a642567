// Package workloads is what clients do to a system under test and how the outcome is judged: for each workload the
// generator of operations and the checker of their history. One file each.
package workloads
