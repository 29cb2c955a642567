// Package wal is the node's durable Raft log: entries, term and vote, and where the log begins.
//
// It is written in order and read once, by [Open]. The Raft core keeps the entries since the last snapshot in
// memory, so there are no random reads, no index and no cache here.
//
// # What it withstands
//
// The failure model, which is that of package vfs:
//
//   - The process may die at any instruction. Power may fail at any moment: of the bytes written since the last
//     successful fdatasync any 512-byte sectors may be there and any others not; names that were changed since the
//     last sync of the folder may have the old or the new state.
//   - A sector is written whole or not at all, and writing one does not harm bytes next to it.
//   - A failed write or fdatasync says nothing about what is on the disk. The log is then poisoned: every later call
//     returns the first error. Open writes again what it cannot know to be synced before it reports it, so an entry
//     that was read from the page cache and not from the disk is not taken for durable.
//   - Bits on the disk may decay; files may be lost, swapped or truncated by people. That is found, not repaired.
//
// Not withstood: a disk that says that it has synced and has not, and people who forge checksums.
//
// # What holds
//
//   - A batch is recovered whole or not at all. What is recovered is what was appended, in order, up to some batch,
//     and at least up to the last one before a successful Sync.
//   - A conflicting suffix is cut in the same record that brings the entries in its place: no crash can leave the old
//     suffix behind the new entries, nor a hole.
//   - The term never goes back, and entries have no gap and no descending terms, or the log is refused.
//
// # Torn tail or decay
//
// A crash leaves unfinished records at the end of the last segment; they were acknowledged to nobody and are cut, with
// a note. Damage to acknowledged records must be refused instead, never cut. The two are told apart by what is written
// after the damage: each record says up to which offset of its segment all was synced when it was made, and a new
// segment is begun only when the one before is synced whole. So a bad record at offset B is refused as corrupt if
//
//   - a later segment exists or existed (a record at the end of a segment says so), or
//   - any sound record after it in the segment says that more than the first B bytes were synced,
//
// and else is cut, together with all after it. Every Sync but the last is therefore protected by the records that
// follow it, and Close and Open put a mark after the last one. What cannot be told apart: damage to the records of
// the very last Sync before a crash (and to the mark itself, which holds nothing) looks like a write that was never
// finished; it is cut. So does a last segment that somebody cut short, or whose whole end reads as zeros: all that
// spoke of the records there is gone with them. The Raft cluster has the entries elsewhere unless a majority suffers the same at once.
//
// # Files
//
// A segment NNNNNNNNNNNNNNNN.wal begins with a header: format version, whose log it is, its number, and where and with
// which checksum the segment before it ends. Numbers are never used twice. Then come records, each with its length,
// type, segment number, own offset, synced offset, the checksum of the record before it and its own (CRC32C), so that a
// record stands only where it was written and bytes of a recycled segment never pass for records. The first record of a
// segment repeats the hard state and the position, so that older segments may go.
//
// Segments are filled with zeros some way ahead of the records, since an fdatasync that also has to change the
// file's length takes twice as long; segments that are no longer needed are kept as NNNNNNNNNNNNNNNN.spare and
// written again, for the same reason. A file gets its name when it is synced, and the folder is synced after that.
package wal
