//go:build race

package checker

const slowdown = 10
