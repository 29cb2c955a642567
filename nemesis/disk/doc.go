// Package disk is a disk that can lose power, refuse to sync, be slow, be full and decay: a layer over a folder through which a
// process does all its file operations, and that remembers what would be gone if the power were cut now.
//
// Why a layer at all: killing a process loses nothing that it wrote, because the page cache is the kernel's. Without a way to forget
// what was not synced, a store that never calls fsync passes every test.
//
// # How it is built
//
// The layer is a FUSE file system (Linux, /dev/fuse and the right to mount) over the very folder it covers. Everything written goes to
// the files below at once, so that a process that is only killed finds all of it again. What was there at the last sync is kept
// beside: of each file the old content of the sectors written since (ledger), of each folder how to undo the names changed since
// (names). A loss of power puts those back. Nothing is really synced, since only this layer's power fails, which keeps it fast.
//
// # What a loss of power takes
//
// The most that POSIX allows, which is what package node/vfs promises to its callers and no more: bytes are durable when fsync or
// fdatasync of their file has returned, names when fsync of their folder has. By choice all the rest is gone, or each 512-byte
// sector may be there or not, and of the names the older ones. An fsync that was under way counts as not done. After one
// that failed the data counts as not written, also for later ones that succeed, as on Linux.
package disk
