//go:build race

package raft

// The race detector makes a run ten times as long, and one thread has no races.
const defaultSeeds = 200
