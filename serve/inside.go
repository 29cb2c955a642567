package serve

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ordeal-dev/ordeal/store"
)

var (
	errOutside = errors.New("leads out of the results")
	errSpecial = errors.New("is neither a file nor a folder")
)

// open opens a regular file in the results. It neither waits for somebody to write into a pipe nor touches a device.
func (s *Server) open(name string) (*os.File, error) {
	info, err := s.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errSpecial
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errSpecial, f.Close())
	}
	return f, nil
}

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

// contained tells that nothing in a folder, and in the folder of logs in it, leads out of the results or is a pipe, a socket or
// a device, on which a reader would wait.
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
			if err := s.harmless(filepath.Join(part, e.Name()), e.Type()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Server) harmless(path string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 {
		real, err := s.resolve(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := os.Lstat(real)
		if err != nil {
			return err
		}
		mode = info.Mode()
	}
	if !mode.IsRegular() && !mode.IsDir() {
		return errSpecial
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
