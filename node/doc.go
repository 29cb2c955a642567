// Package node is a server around the consensus core: a replicated key-value store.
//
// All decisions are made in one thread, by the Driver: it feeds the core, keeps what waits for which write, applies
// committed entries and answers clients. It touches clock, network and disk only through the Host interface, so that a
// simulator can run the very same code. The Server is the Host of a real process: one goroutine drives, one writes the
// log and syncs it for all that is waiting (group commit), one a peer sends, one a connection receives.
//
// What waits for what:
//
//   - A vote, an acknowledgement and every other reply leaves only after the write that it promises is on disk.
//   - A leader sends entries while it writes them itself (thesis 10.2.1).
//   - A client is answered after its entry is applied; it is applied after it is committed and on this node's disk.
//   - A read is answered after leadership was confirmed once the read had arrived, and after everything that was
//     committed by then is applied (thesis 6.4).
package node
