// Package netfilter partitions a network with the kernel's packet filter, in the network namespace of the calling
// process (or of the calling thread, when that is locked to one).
//
// The rules live in one table of family inet named "ordeal", to be seen with `nft list ruleset`, and are written
// through netlink: no binary is needed beside the program, and a change takes about 3 ms where `iptables` run by exec
// takes 30 to 50. A change is one transaction that replaces the table as a whole, so the kernel never shows a partition
// half made.
//
// Input is filtered at hook prerouting with priority raw, which comes before connection tracking: flows that are
// already established are cut too, and nobody is told by an RST; to the connection's ends packets are lost, as on a
// network that fails. Output is filtered at hook output; there the sender's system call sees EPERM, which a lost packet
// never shows, so a cut between two machines is better made where the packets arrive.
//
// Dropping everything one way stalls the other way as well before long, because acknowledgements are lost; that is what
// a real one-way failure does to TCP. Mode Data drops only what opens a connection or carries payload, so that the
// other direction goes on working.
//
// After a heal TCP waits for its retransmission timer, which has backed off: seconds after a cut of some seconds.
// ResetConnections destroys the connections with given peers, so that a run measures the system and not that timer.
package netfilter
