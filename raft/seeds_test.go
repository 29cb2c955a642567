//go:build !race

package raft

const defaultSeeds = 2000
