// Package checker judges histories.
//
// A Model says what one object does when its operations come one after the other; Linearizable(model) asks whether the
// operations of each object, as they overlapped in a history, can be put in an order the model allows and that agrees
// with real time (Herlihy and Wing). Deciding that is NP-hard in general, so everything here is bounded: a run has a
// time and a memory limit, and a key beyond them is Unknown while the other keys' verdicts stand. Porcupine
// (github.com/anishathalye/porcupine) is the arbiter: it decides small keys, and confirms some of those and all evidence where a
// faster algorithm decided. A key on which the two disagree is Unknown, for one of them is wrong. A KeyResult says which
// algorithm decided, and whether porcupine agrees.
//
// What becomes of operations without a known outcome: one that failed had no effect and is left out. One that crashed
// (history.Info) may have taken effect at any time after its invocation, or never; it is kept, open for ever. A crashed
// operation that cannot change the object is left out.
//
// A checker never panics, whatever the history holds: what a model does not understand is Unknown, and the reason names
// the operation.
//
// docs/checker.md tells who decides, what an outcome means, and what the limits hold.
package checker
