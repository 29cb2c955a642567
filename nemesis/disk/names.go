package disk

import (
	"errors"
	"math/rand/v2"
	"slices"
)

// names remembers how to undo the changes of names that no sync of their folder has made durable.
type names struct {
	changes []change // in order
	next    int
}

// change is a new, removed or renamed entry.
type change struct {
	number  int
	folders []uint64 // inodes; a sync of one of them makes it durable, since a rename is there whole or not at all
	undo    func() error
	settle  func() // lets go of what undo would need; may be nil
	gone    uint64 // inode of the folder that it took away; 0: none
}

func (n *names) add(c change, folders ...uint64) {
	c.number, c.folders = n.next, folders
	n.changes = append(n.changes, c)
	n.next++
}

// sync makes durable what was changed in the folder before the number. A folder that is gone for good takes along what was changed in it:
// its inode may be another folder's from now on.
func (n *names) sync(folder uint64, before int) {
	var gone []change
	n.changes = slices.DeleteFunc(n.changes, func(c change) bool {
		durable := c.number < before && slices.Contains(c.folders, folder)
		if durable && c.settle != nil {
			c.settle()
		}
		if durable && c.gone != 0 {
			gone = append(gone, c)
		}
		return durable
	})
	for _, c := range gone {
		n.sync(c.gone, c.number)
	}
}

// lose undoes the changes, newest first. With rng some of the oldest have reached the disk all the same.
func (n *names) lose(rng *rand.Rand) (lost, kept int, err error) {
	if rng != nil {
		kept = rng.IntN(len(n.changes) + 1)
	}
	for i := len(n.changes) - 1; i >= 0; i-- {
		c := n.changes[i]
		if i >= kept {
			err = errors.Join(err, c.undo())
		}
		if c.settle != nil {
			c.settle()
		}
	}
	lost = len(n.changes) - kept
	n.changes = nil
	return lost, kept, err
}

// settle makes all of them durable.
func (n *names) settle() {
	for _, c := range n.changes {
		if c.settle != nil {
			c.settle()
		}
	}
	n.changes = nil
}
