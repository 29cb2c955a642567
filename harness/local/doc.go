// Package local is a cluster of plain processes on this machine: no Docker, no root, no kernel feature beyond signals. It is
// what a test runs on where nothing else is to be had, and the quickest way to the first verdict.
//
// # How it is built
//
// Every node is one process of the node's binary, in a process group of its own, with a folder for its data and one log file
// over all its restarts. Nodes never dial each other directly: node i is told that peer j lives at the address of
// the userspace link (i,j) of package nemesis/link, and cutting that link is how partitions are made. Clients and the status
// page are reached directly, so that a node that is cut off from its peers still serves its clients.
//
// Ports are drawn outside the range that the kernel gives to outgoing connections, because a port that must be free
// again when a killed node restarts must not be lent to somebody meanwhile.
//
// # What is left behind
//
// Nothing. On Linux the kernel kills the nodes when the harness dies, however it dies (PR_SET_PDEATHSIG). For everything else
// each run keeps a record, written before anything is made, of its processes and folders; Cleanup goes through the
// records of runs whose harness is gone. A process is known by its pid, its start time and its executable together, so that a
// stranger that got the pid later is never killed, and a folder is removed only when it carries the mark of its run.
package local
