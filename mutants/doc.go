// Package mutants seeds known bugs into the node, to see whether the harness finds them.
//
// A mutant is a patch beside this file: real bugs of real systems, each a few lines against the product's source. The
// product has no switch for any of them. A mutant is built from patched copies with go build -overlay; the checkout is
// not touched. The lines before the diff say what the bug is (Row, Breaks, Provoked by, Happened in).
package mutants
