// Package wire is what nodes and clients say to each other over TCP: a hello that both ends check, then frames.
//
// It is a framing of our own, not an RPC library, for two reasons that matter to a harness. The client has to know
// whether a request can have left before its connection broke: only then is a failure surely without effect. And a
// transport between peers has to give up a connection that a partition has silenced, at its own time, and dial again.
//
// A hello carries a magic number and a version, so that two versions of the protocol can tell each other apart, and
// the cluster's id, so that a node of another cluster is refused with the reason.
package wire
