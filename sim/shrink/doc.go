// Package shrink makes a failing simulated run small: it leaves out faults, operations, nodes and perturbations of messages
// as long as the same violation stays.
package shrink
