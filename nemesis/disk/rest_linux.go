package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// flipTries is how often a bit is drawn until one is found that may be flipped.
const flipTries = 10000

// candidate is a file that has the pattern.
type candidate struct {
	name string // below the folder of files
	past
}

// FlipBit flips a bit at rest; see nemesis.Disks. Of zero bytes none is flipped: a log that is filled ahead has many, and they mean nothing.
func (d *Disk) FlipBit(ctx context.Context, pattern string, seed uint64) (nemesis.Flip, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.unused(ctx); err != nil {
		return nemesis.Flip{}, err
	}
	files, err := d.candidates(pattern)
	if err != nil {
		return nemesis.Flip{}, err
	}
	files = slices.DeleteFunc(files, func(c candidate) bool { return c.guard == 0 })
	var total int64
	for _, c := range files {
		total += c.guard
	}
	if total == 0 {
		return nemesis.Flip{}, fmt.Errorf("disk: no file like %q holds anything that was synced before something else behind it", pattern)
	}
	rng := rand.New(rand.NewPCG(seed, 0x666c6970))
	for range flipTries {
		at := rng.Int64N(total)
		i := 0
		for ; at >= files[i].guard; i++ {
			at -= files[i].guard
		}
		flip := nemesis.Flip{File: files[i].name, Offset: at, Bit: uint8(rng.IntN(8))}
		switch done, err := d.flipNew(&flip); {
		case err != nil:
			return nemesis.Flip{}, err
		case done:
			return flip, nil
		}
	}
	return nemesis.Flip{}, fmt.Errorf("disk: %d bytes were drawn of files like %q, and all were zero", flipTries, pattern)
}

// flipNew puts the flip on record and does it, unless its byte is zero.
func (d *Disk) flipNew(f *nemesis.Flip) (bool, error) {
	before := d.flips
	if zero, err := d.isZero(*f); zero || err != nil {
		return false, err
	}
	if err := d.setFlips(append(slices.Clip(before), *f)); err != nil {
		return false, err
	}
	if err := d.flip(f); err != nil {
		return false, errors.Join(err, d.setFlips(before))
	}
	return true, nil
}

func (d *Disk) isZero(f nemesis.Flip) (bool, error) {
	file, err := os.Open(d.lower(filesFolder, f.File))
	if err != nil {
		return false, err
	}
	defer file.Close()
	var b [1]byte
	_, err = file.ReadAt(b[:], f.Offset)
	return b[0] == 0, err
}

// setFlips replaces what is on record.
func (d *Disk) setFlips(flips []nemesis.Flip) error {
	text, err := json.Marshal(flips)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.lower(flipsFile+".new"), text, 0o644); err != nil {
		return err
	}
	d.flips = flips
	return os.Rename(d.lower(flipsFile+".new"), d.lower(flipsFile))
}

// readFlips takes over what an earlier disk on the folder has flipped.
func (d *Disk) readFlips() error {
	text, err := os.ReadFile(d.lower(flipsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d.flips)
	}
	if err != nil {
		return fmt.Errorf("disk: the record of flipped bits: %w", err)
	}
	return nil
}

// candidates lists the files that have the pattern, in the order of their names.
func (d *Disk) candidates(pattern string) ([]candidate, error) {
	root := d.lower(filesFolder)
	var found []candidate
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		matches, err := path.Match(pattern, entry.Name())
		if err != nil || !matches {
			return err
		}
		inode, err := inodeAt(name)
		if err != nil {
			return err
		}
		known := d.pasts[inode]
		if f, ok := d.files[inode]; ok {
			known = past{f.guard, f.starts}
		}
		relative, err := filepath.Rel(root, name)
		found = append(found, candidate{relative, known})
		return err
	})
	return found, err
}

// flip flips the bit and fills in the hashes.
func (d *Disk) flip(f *nemesis.Flip) error {
	name := d.lower(filesFolder, f.File)
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if f.Offset >= int64(len(data)) {
		return fmt.Errorf("disk: %s has %d bytes, and the bit to flip is in byte %d", f.File, len(data), f.Offset)
	}
	f.Before = hash(data)
	data[f.Offset] ^= 1 << f.Bit
	f.After = hash(data)
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(data[f.Offset:f.Offset+1], f.Offset)
	return errors.Join(err, file.Close())
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// RestoreBits flips back what was flipped, in a file of the same name; one that is gone needs no mending.
func (d *Disk) RestoreBits(ctx context.Context) ([]nemesis.Flip, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.unused(ctx); err != nil {
		return nil, err
	}
	var restored []nemesis.Flip
	for len(d.flips) > 0 {
		f := d.flips[len(d.flips)-1]
		err := d.flip(&f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return restored, err
		}
		if err := d.setFlips(d.flips[:len(d.flips)-1]); err != nil {
			return restored, err
		}
		if err == nil {
			restored = append(restored, f)
		}
	}
	return restored, nil
}

// CutLog cuts off the last file that has the pattern; see nemesis.Disks.
func (d *Disk) CutLog(ctx context.Context, pattern string, seed uint64) (nemesis.Cut, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.unused(ctx); err != nil {
		return nemesis.Cut{}, err
	}
	files, err := d.candidates(pattern)
	if err != nil {
		return nemesis.Cut{}, err
	}
	if len(files) == 0 {
		return nemesis.Cut{}, fmt.Errorf("disk: there is no file like %q", pattern)
	}
	last := files[len(files)-1]
	at, syncs, ok := nemesis.DrawCut(last.starts, seed)
	if !ok {
		return nemesis.Cut{}, fmt.Errorf("disk: %s holds nothing that was synced behind something else", last.name)
	}
	cut := nemesis.Cut{File: last.name, Kept: at, Syncs: syncs}
	return cut, d.cut(&cut)
}

// cut cuts the file off and fills in the rest.
func (d *Disk) cut(c *nemesis.Cut) error {
	opened, err := os.OpenFile(d.lower(filesFolder, c.File), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	f, err := d.take(opened)
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	defer d.drop(f)
	if c.Size, c.Before, err = d.measure(c.File); err != nil {
		return err
	}
	if err := f.cut(c.Kept); err != nil {
		return err
	}
	_, c.After, err = d.measure(c.File)
	return err
}

// measure is a file's length and hash.
func (d *Disk) measure(name string) (int64, string, error) {
	data, err := os.ReadFile(d.lower(filesFolder, name))
	return int64(len(data)), hash(data), err
}

// Wipe removes all files and what is remembered of them, and returns how many there were.
func (d *Disk) Wipe(ctx context.Context) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.unused(ctx); err != nil {
		return 0, err
	}
	count := 0
	err := filepath.WalkDir(d.lower(filesFolder), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			count++
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, f := range d.files {
		f.os.Close()
	}
	d.files, d.pasts, d.names = map[uint64]*file{}, map[uint64]past{}, names{}
	if err := d.setFlips(nil); err != nil {
		return count, err
	}
	for _, folder := range []string{filesFolder, removedFolder} {
		entries, err := os.ReadDir(d.lower(folder))
		if err != nil {
			return count, err
		}
		for _, e := range entries {
			if err := os.RemoveAll(d.lower(folder, e.Name())); err != nil {
				return count, err
			}
		}
	}
	return count, nil
}
