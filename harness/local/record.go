package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// markFile in a run's folder holds the run's ID: the sign that the folder is ordeal's to remove.
const markFile = ".ordeal-run"

// StateDir is where the records of runs are: $ORDEAL_STATE, else ordeal in the user's cache folder.
func StateDir() (string, error) {
	if dir := os.Getenv("ORDEAL_STATE"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the records of runs: %w; set ORDEAL_STATE to one", err)
	}
	return filepath.Join(cache, "ordeal"), nil
}

// record is what there is to know of a run if its harness dies. It is on disk before what it tells of is made.
type record struct {
	ID        string              `json:"id"`
	Created   time.Time           `json:"created"`
	Harness   identity            `json:"harness"`
	Dir       string              `json:"dir"`              // the run's folder
	MadeDir   bool                `json:"made_dir"`         // the folder itself is the run's, not only what is in it
	Mounts    []string            `json:"mounts,omitempty"` // folders that disks cover
	Processes map[string]identity `json:"processes"`
	Adopted   bool                `json:"adopted,omitempty"` // the process is a program that runs nodes, and leads a process group

	mu   sync.Mutex
	path string
}

// newRecord writes the record of a run that is about to begin.
func newRecord(id, dir string, madeDir bool) (*record, error) {
	state, err := StateDir()
	if err != nil {
		return nil, err
	}
	runs := filepath.Join(state, "runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return nil, fmt.Errorf("folder for the records of runs: %w; set ORDEAL_STATE to one that can be written", err)
	}
	self, err := identify(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("the harness's own process: %w", err)
	}
	r := &record{
		ID: id, Created: time.Now().UTC(), Harness: self, Dir: dir, MadeDir: madeDir,
		Processes: map[string]identity{}, path: filepath.Join(runs, id+".json"),
	}
	return r, r.save()
}

// setProcess notes the node's running process, or with the zero identity that it has none.
func (r *record) setProcess(node string, id identity) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == (identity{}) {
		delete(r.Processes, node)
	} else {
		r.Processes[node] = id
	}
	return r.save()
}

// setMounts notes the folders that disks are about to cover.
func (r *record) setMounts(dirs []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Mounts = dirs
	return r.save()
}

// save replaces the file at once, so that a reader finds the old record or the new one.
func (r *record) save() error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	temporary := r.path + ".new"
	if err := os.WriteFile(temporary, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("record of the run: %w", err)
	}
	return os.Rename(temporary, r.path)
}

func (r *record) remove() error {
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readRecord reads and checks a record.
func readRecord(path string) (*record, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &record{path: path}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: not the record of a run: %w; if no test is running, remove the file", path, err)
	}
	if r.ID != strings.TrimSuffix(filepath.Base(path), ".json") || !filepath.IsAbs(r.Dir) || r.Harness.PID <= 0 {
		return nil, fmt.Errorf("%s: the record names run %q, folder %q, harness %d, which cannot be; if no test is running, remove the file",
			path, r.ID, r.Dir, r.Harness.PID)
	}
	return r, nil
}

// mark makes the run's folder the run's.
func (r *record) mark() error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.Dir, markFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("folder %s is another run's; choose another, or run `ordeal cleanup` if that run is over", r.Dir)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(r.ID + "\n")
	return errors.Join(err, f.Close())
}

// removeDir removes what the run made in its folder. Without the run's mark it touches nothing.
func (r *record) removeDir() (removed bool, err error) {
	mark, err := os.ReadFile(filepath.Join(r.Dir, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if strings.TrimSpace(string(mark)) != r.ID {
		return false, nil
	}
	for _, made := range []string{dataFolder, logsFolder, markFile} {
		if err := os.RemoveAll(filepath.Join(r.Dir, made)); err != nil {
			return false, err
		}
	}
	if r.MadeDir {
		_ = os.Remove(r.Dir) // It stays where somebody else has put something into it.
	}
	return true, nil
}
