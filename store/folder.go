package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// TimeLayout names a run's folder: UTC to the millisecond, sorted by name as by time.
const TimeLayout = "20060102T150405.000Z"

// Run is one run's folder.
type Run struct {
	Folder string // path of the folder
}

// Create makes the folder root/name/<time>/ and points root/latest to it. Runs that start in the same millisecond get
// folders of their own (-2, -3, ...).
func Create(root, name string, start time.Time) (*Run, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	parent := filepath.Join(root, name)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("making the run's folder: %w", err)
	}
	folder, err := makeUnique(parent, start.UTC().Format(TimeLayout))
	if err != nil {
		return nil, fmt.Errorf("making the run's folder: %w", err)
	}
	if err := os.Mkdir(filepath.Join(folder, NodesFolder), 0o755); err != nil {
		return nil, fmt.Errorf("making the run's folder: %w", err)
	}
	if err := PointLatest(root, filepath.Join(name, filepath.Base(folder))); err != nil {
		return nil, err
	}
	return &Run{Folder: folder}, nil
}

// checkName refuses names that would leave the results' folder, hide in it or be taken for something else.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a run needs a name: it names the folder under results/")
	case name == Latest:
		return fmt.Errorf("a run cannot be named %q: results/%s points to the run started last", name, Latest)
	case strings.HasPrefix(name, "."), strings.ContainsAny(name, `/\:`+"\x00"), len(name) > 200:
		return fmt.Errorf("a run cannot be named %.60q: it becomes a folder's name, so use letters, digits, '-' and '_'", name)
	}
	return nil
}

// makeUnique relies on mkdir failing for all but one of those who try the same name at once.
func makeUnique(parent, name string) (string, error) {
	for n := 1; ; n++ {
		folder := filepath.Join(parent, name)
		if n > 1 {
			folder = fmt.Sprintf("%s-%d", folder, n)
		}
		err := os.Mkdir(folder, 0o755)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return folder, err
		}
	}
}

// Path is the path of a file in the run's folder: r.Path(VerdictFile).
func (r *Run) Path(file string) string { return filepath.Join(r.Folder, file) }

// NodeLog is the path of a node's log.
func (r *Run) NodeLog(node string) string { return r.Path(filepath.Join(NodesFolder, node+".log")) }

// NodeLogs are the nodes' logs that exist, relative to the folder, with forward slashes, sorted.
func (r *Run) NodeLogs() []string {
	entries, _ := os.ReadDir(r.Path(NodesFolder)) // a run without logs has none to show
	var logs []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			logs = append(logs, NodesFolder+"/"+e.Name())
		}
	}
	sort.Strings(logs)
	return logs
}

// History is the path of the history, sealed or still as it was written.
func (r *Run) History() (string, error) {
	for _, name := range historyFiles {
		if path := r.Path(name); isFile(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s holds no history (%s): the run ended before its first operation, or the file was removed: %w",
		r.Folder, strings.Join(historyFiles, ", "), fs.ErrNotExist)
}

var historyFiles = []string{SealedHistoryFile, HistoryFile}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
