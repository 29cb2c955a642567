package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/ordeal-dev/ordeal/scratch"
)

// ModuleRoot finds the checkout's root from the working directory upwards.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && bytes.HasPrefix(b, []byte("module github.com/ordeal-dev/ordeal\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("mutants are built from source: run this in a checkout of ordeal")
		}
		dir = parent
	}
}

// Patched gives the changed files' contents by path from the module's root. A patch whose lines the source does not have is an
// error that names the file.
func (m Mutant) Patched(root string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, f := range m.files {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.OldName)))
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %w", m.Name, err)
		}
		var patched bytes.Buffer
		moved, err := relocate(f, source)
		if err == nil {
			err = gitdiff.Apply(&patched, bytes.NewReader(source), moved)
		}
		if err != nil {
			return nil, fmt.Errorf("mutant %s does not apply to %s any more, mend the patch: %w", m.Name, f.OldName, err)
		}
		out[f.NewName] = patched.Bytes()
	}
	return out, nil
}

// Build builds a command of the module (./cmd/ordeal-node, say) with the bug in it as the file output. Env is added to
// the environment, for GOOS and the like.
func (m Mutant) Build(ctx context.Context, root, command, output string, env ...string) error {
	dir, err := scratch.New("mutant")
	if err != nil {
		return err
	}
	defer dir.Remove()
	overlay, err := m.writeOverlay(root, dir.Path)
	if err != nil {
		return err
	}
	if output, err = filepath.Abs(output); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-ldflags", "-s -w -X main.version=mutant:"+m.Name, "-o", output, command)
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("building mutant %s needs Go: install it and put go on the PATH: %w", m.Name, err)
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building mutant %s: %w\n%s", m.Name, err, strings.TrimSpace(string(text)))
	}
	return nil
}

// writeOverlay puts the patched files into dir and returns the path of the overlay that names them.
func (m Mutant) writeOverlay(root, dir string) (string, error) {
	patched, err := m.Patched(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, content := range patched {
		path := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(name))] = path
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}
