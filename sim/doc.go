// Package sim runs a whole test in one thread: the nodes' real code over simulated disks, networks and clocks, the clients'
// real library, the workloads, the nemesis and the checkers. A run is a function of its Plan, byte for byte, so that a
// violation is a seed and not an anecdote, and thousands of runs fit into a minute.
//
// # What is real
//
// node.Engine with raft.Core, node.Driver, the log, the snapshots, the sessions and the key-value state; node/client with its
// redirects and retries; systems/ordeal; the generators, the workers and the judge of the harness. What is simulated
// is below them: vfs.Mem for the disk, links for the network, one clock for the world and one a node.
//
// # How it runs
//
// A queue of happenings in the order of simulated time; nothing waits. A node's three threads (driver, log, snapshots) are three kinds
// of happenings. Code that blocks, clients and the nemesis, runs in coroutines that give up the thread where they would wait.
//
// # Decisions
//
// Everything random is decided by a Decider, for a Choice that says what is decided for whom and the how-manieth time. So the
// fate of one message does not depend on another's, and one fault can be taken away while the others stay.
//
// # What is checked
//
// After every step the safety properties of docs/raft.md, each in constant time (invariants.go, turned.go); at the end
// the history, by the workload's checker, and then liveness: what is outside a random majority of the voters stays
// down for ever, the rest is healed and has to serve within a bound.
package sim
