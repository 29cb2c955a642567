package serve

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ordeal-dev/ordeal/store"
)

var errOutside = errors.New("leads out of the results")

// inside is the real path of something in the results, named by its path in a request.
func (s *Server) inside(name string) (string, error) {
	name = strings.Trim(name, "/")
	if name == "" || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", errOutside
	}
	return s.resolve(filepath.Join(s.folder, filepath.FromSlash(name)))
}

// resolve follows links, and refuses those that lead out.
func (s *Server) resolve(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if within, err := filepath.Rel(s.folder, path); err != nil || !filepath.IsLocal(within) {
		return "", errOutside
	}
	return path, nil
}

// contained tells that nothing in a folder, and in the folder of logs in it, leads out of the results.
func (s *Server) contained(folder string) error {
	for _, part := range []string{folder, filepath.Join(folder, store.NodesFolder)} {
		entries, err := os.ReadDir(part)
		if errors.Is(err, fs.ErrNotExist) && part != folder {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Type()&fs.ModeSymlink == 0 {
				continue
			}
			if _, err := s.resolve(filepath.Join(part, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// runAt finds the run that a path leads to, and what of the path is left: a file in its folder.
func (s *Server) runAt(path string) (run *store.Run, name, file string, err error) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for n := len(parts); n > 0; n-- {
		name = strings.Join(parts[:n], "/")
		folder, err := s.inside(name)
		if err != nil {
			continue
		}
		run, err := store.Open(folder)
		if err != nil || run.Folder != folder {
			continue // the folder is not a run's, or the path is that of a file in one
		}
		if err := s.contained(folder); err != nil {
			return nil, "", "", err
		}
		return run, name, strings.Join(parts[n:], "/"), nil
	}
	return nil, "", "", fs.ErrNotExist
}
