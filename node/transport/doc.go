// Package transport carries Raft messages between nodes: one connection for each ordered pair, dialled by the sender.
//
// It promises nothing but order on a connection and that a message arrives whole or not at all; the core lives with
// loss. A connection that a partition has silenced is given up after a while without an answer to a ping and dialled
// again, so that traffic resumes soon after a heal instead of when TCP's backed-off timers run out.
package transport
