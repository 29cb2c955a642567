//go:build !race

package checker

// slowdown divides the number of random histories: the race detector makes them ten times slower.
const slowdown = 1
