// Package raft is the consensus core: Raft as a deterministic state machine.
//
// Time, received messages, proposals and finished writes go in; messages to send, writes to make durable, committed
// entries and confirmed reads come out, gathered in a Ready. The core has no goroutine, clock, file, socket or
// randomness of its own, and never depends on the order of a map: the same inputs give the same outputs. That is what
// lets one and the same code run in a server and in a simulator, and a failing run be replayed.
//
// The contract with whoever drives it:
//
//   - All calls come from one thread.
//   - Before the other inputs of a batch, Tick with a time taken when they had arrived: promises to a leader count from
//     it, and it decides whether a lease still holds (thesis 6.4.1).
//   - Call Ready after a batch of inputs. Writes of successive Readys reach the disk in their order.
//   - Send Ready.Messages at once; a leader replicates in parallel with its own write (thesis 10.2.1).
//   - Send Ready.AfterWrite only when this Ready's write and all before it are durable, then call Persisted.
//     They are the promises: votes and acknowledgements. A message to oneself goes back in by Step.
//   - Apply Ready.Committed in order.
//   - Store Ready.Chunks and tell ChunkStored, or InstallSnapshot when the snapshot is whole and durable. Save snapshots of
//     one's own with ConfigurationAt the applied index, asked for at that moment, and tell Compact when they are durable.
//   - Once Removed, stop, when the messages of the last Ready have left. An id is not to be used again with an empty disk: its
//     vote might count twice.
//
// Names are those of the paper ("In Search of an Understandable Consensus Algorithm (extended version)", Ongaro and
// Ousterhout) and of the thesis ("Consensus: Bridging Theory and Practice", Ongaro). R1 to R22 in tests and comments
// are the rows of docs/raft.md.
package raft
