package campaign

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checker"
)

// disk keeps the folders that a campaign keeps within a bound.
type disk struct {
	campaign *Campaign
	most     int64 // 0: no bound
	kept     []keptFolder
	total    int64
}

type keptFolder struct {
	key     key
	cell    Cell
	verdict checker.Verdict
	size    int64
}

func newDisk(c *Campaign, most int64) (*disk, error) {
	d := &disk{campaign: c, most: most}
	return d, d.make(c.Runs)
}

// make takes new runs in and makes room for them. Their lines stay: only files go.
func (d *disk) make(runs []Run) error {
	if d.most == 0 {
		return nil
	}
	for i := range runs {
		r := &runs[i]
		if r.Folder == "" {
			continue
		}
		size, err := sizeOf(d.campaign.path(runFolder(r.key())))
		if err != nil {
			return fmt.Errorf("--max-disk: %w", err)
		}
		d.kept = append(d.kept, keptFolder{r.key(), r.Cell, r.Verdict, size})
		d.total += size
	}
	for d.total > d.most && len(d.kept) > 0 {
		i := d.least()
		f := d.kept[i]
		if err := os.RemoveAll(d.campaign.path(runFolder(f.key))); err != nil {
			return fmt.Errorf("--max-disk: %w", err)
		}
		d.total -= f.size
		d.kept = slices.Delete(d.kept, i, i+1)
	}
	return nil
}

// least is the folder that will be missed least: unknown before invalid, repetitions before runs, of the cell with the most, the latest.
func (d *disk) least() int {
	of := map[Cell]int{}
	for _, f := range d.kept {
		of[f.cell]++
	}
	rank := func(f keptFolder) [4]int {
		invalid, first := 0, 0
		if f.verdict == checker.Invalid {
			invalid = 1
		}
		if f.key.again == 0 {
			first = 1
		}
		return [4]int{invalid, first, -of[f.cell], -f.key.number}
	}
	least := 0
	for i := range d.kept {
		a, b := rank(d.kept[i]), rank(d.kept[least])
		if slices.CompareFunc(a[:], b[:], cmp.Compare[int]) < 0 {
			least = i
		}
	}
	return least
}

// sizeOf is the bytes of the files below a folder; one that is gone has none.
func sizeOf(folder string) (total int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// relative is path within folder, with forward slashes.
func relative(folder, path string) (string, error) {
	within, err := filepath.Rel(folder, path)
	if err != nil || !filepath.IsLocal(within) {
		return "", fmt.Errorf("a run left its files in %s, outside of its campaign's folder %s", path, folder)
	}
	return strings.ReplaceAll(within, string(filepath.Separator), "/"), nil
}
