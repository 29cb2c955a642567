// Package snapshot keeps a node's snapshots: files that hold the state machine up to an entry of the log.
//
// A snapshot appears whole or not at all: it is written beside its name, synced, renamed, and the folder is synced. Only the
// newest is kept. A file carries its format version, whose it is, what it covers, and a CRC32C over all of it. A newest
// file that does not check is refused with its name: the log before it is gone, so starting from an older state would lose
// acknowledged writes.
//
// A snapshot that another node sends arrives in chunks into a file of its own, which takes its place when it is whole
// and checks. What has arrived is forgotten at a restart; the sender is told from where to go on.
package snapshot
