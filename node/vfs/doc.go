// Package vfs is the small file system through which a node touches its disk.
//
// Everything durable in a node goes through [FS], so that the very code that runs on a real disk ([OS]) can run
// on a disk in memory ([Mem]) that loses power, tears writes, fills up and fails as real ones do.
//
// The interface promises no more than POSIX does, because that is what a power failure leaves:
//
//   - A write is durable after [File].Sync of the same file returned nil, not before. Until then each 512-byte
//     sector of it may or may not be on the disk, in any order.
//   - A new, renamed or removed name is durable after [FS].SyncDir of its folder returned nil, not before, even if
//     the file's data is synced. A rename is atomic: the old name or the new one, never both or neither.
//   - A sector is written whole or not at all, and writing one does not harm its neighbours.
//   - After a failed Sync the unsynced data may be lost although it can still be read, and a second Sync may
//     return nil without having written it (Linux marks the pages clean). So a failed Sync is never retried: the
//     data is written again, or the caller stops.
//
// The processes of a killed node lose nothing that they wrote: only a loss of power does.
package vfs
