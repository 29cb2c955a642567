// Package neighbours is for the tests of what shapes packets: a network namespace with two neighbours on its loopback, and what they say
// to each other.
package neighbours
