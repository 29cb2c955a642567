package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// DefaultRoot is where runs go unless another folder is named.
const DefaultRoot = "results"

// Open finds a run by its folder, by results/latest (or plain "latest") or by a file inside its folder.
func Open(path string) (*Run, error) {
	if path == Latest && !exists(path) {
		path = filepath.Join(DefaultRoot, Latest)
	}
	path, err := followLatest(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, missing(path, err)
	}
	folder, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if !isFolder(folder) {
		folder = filepath.Dir(folder)
		if filepath.Base(folder) == NodesFolder {
			folder = filepath.Dir(folder)
		}
	}
	if !isRun(folder) {
		return nil, notARun(folder)
	}
	return &Run{Folder: folder}, nil
}

// resolve names the run's own folder rather than the link to it, so that the run stays the same when latest moves on.
func resolve(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("opening the run %s: %w", path, err)
	}
	return target, nil
}

func missing(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening the run %s: %w", path, err)
	}
	if filepath.Base(path) == Latest {
		return fmt.Errorf("%s leads to no run: nothing has been run here yet, or the run was removed; start one with `ordeal run`: %w", path, fs.ErrNotExist)
	}
	return fmt.Errorf("there is no run at %s: name a run's folder, such as %s/<name>/<time>, or %s/%s: %w",
		path, DefaultRoot, DefaultRoot, Latest, fs.ErrNotExist)
}

func notARun(folder string) error {
	hint := fmt.Sprintf("it holds neither %s nor %s", TestFile, HistoryFile)
	if inside := runsBelow(folder); len(inside) > 0 {
		hint = fmt.Sprintf("it holds %d runs; name one of them, such as %s", len(inside), inside[len(inside)-1])
	}
	return fmt.Errorf("%s is not a run's folder: %s", folder, hint)
}

// isRun holds for a folder with a test's definition, or with a history alone, as one copied from elsewhere.
func isRun(folder string) bool {
	if isFile(filepath.Join(folder, TestFile)) {
		return true
	}
	for _, name := range historyFiles {
		if isFile(filepath.Join(folder, name)) {
			return true
		}
	}
	return false
}

// runsBelow are the runs' folders in a results' folder or in one name's folder, oldest first.
func runsBelow(folder string) []string {
	var runs []string
	for _, pattern := range []string{"*", filepath.Join("*", "*")} {
		found, _ := filepath.Glob(filepath.Join(escapeGlob(folder), pattern)) // the pattern is well formed
		for _, f := range found {
			if filepath.Base(f) != Latest && filepath.Base(filepath.Dir(f)) != Latest && isFolder(f) && isRun(f) {
				runs = append(runs, f)
			}
		}
	}
	sort.Slice(runs, func(i, j int) bool {
		a, b := filepath.Base(runs[i]), filepath.Base(runs[j])
		return a < b || a == b && runs[i] < runs[j]
	})
	return runs
}

func escapeGlob(path string) string {
	if filepath.Separator == '\\' {
		return path // Windows has no escape, and no such characters in names either
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
