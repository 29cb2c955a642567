package wal

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrClosed is what a closed log returns.
var ErrClosed = errors.New("wal: the log is closed")

// CorruptError says that the log holds acknowledged data that is damaged or gone. Nothing was changed.
type CorruptError struct {
	File   string
	Offset int64
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("wal: %s, offset %d: %s. Acknowledged entries or votes may be lost: put back an intact copy of the folder, "+
		"or replace this node by a new member with an empty folder and a new ID; do not delete or edit single files", e.File, e.Offset, e.Reason)
}

// VersionError says that a segment has a format that this program does not know.
type VersionError struct {
	File    string
	Version uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("wal: %s, offset 8: format version %d, this program reads version %d only: run the program that wrote it", e.File, e.Version, formatVersion)
}

// IdentityError says that the log is another node's.
type IdentityError struct {
	File                     string
	Cluster, Node            uint64 // whose it is
	WantedCluster, WantsNode uint64 // who opens it
}

func (e *IdentityError) Error() string {
	return fmt.Sprintf("wal: %s: the log of node %d of cluster %#x, opened by node %d of cluster %#x: give each node its own folder",
		e.File, e.Node, e.Cluster, e.WantsNode, e.WantedCluster)
}

// writeError explains a failed write, sync or change of names.
func writeError(file string, err error) error {
	const after = "nothing synced is lost, and the log takes no more until it is opened again"
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("wal: %s: the disk is full: %w; %s: free some space and restart the node", file, err, after)
	}
	return fmt.Errorf("wal: %s: %w; %s: check the disk and restart the node", file, err, after)
}
