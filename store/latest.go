package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Latest is the name, in the results' folder, that leads to the run started last.
const Latest = "latest"

// PointLatest makes root/latest lead to target, a path relative to root. A relative link survives moving the results.
// The link is made beside and renamed over the old one: there is a latest run at every moment.
func PointLatest(root, target string) error {
	beside, err := os.MkdirTemp(root, ".latest-*")
	if err != nil {
		return fmt.Errorf("pointing %s to the run: %w", filepath.Join(root, Latest), err)
	}
	defer os.RemoveAll(beside)
	link := filepath.Join(beside, Latest)
	if err := os.Symlink(target, link); err != nil {
		// Windows without the privilege, some shared and FAT file systems.
		return WriteAtomically(filepath.Join(root, Latest), []byte(filepath.ToSlash(target)+"\n"))
	}
	if err := os.Rename(link, filepath.Join(root, Latest)); err != nil {
		return fmt.Errorf("pointing %s to the run: %w; it has to be a link: move away what is there", filepath.Join(root, Latest), err)
	}
	return nil
}

// followLatest resolves the file that stands in for the link. A link has been followed by the system already.
func followLatest(path string) (string, error) {
	if filepath.Base(path) != Latest || !isFile(path) {
		return path, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	target := filepath.FromSlash(strings.TrimSpace(string(b)))
	if !filepath.IsLocal(target) {
		return "", fmt.Errorf("%s does not name a folder beside it but %.80q: remove the file, the next run writes it anew", path, target)
	}
	return filepath.Join(filepath.Dir(path), target), nil
}
