package mutants

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// typeChecker compiles patched packages as far as their types: a build of each mutant would take minutes, this takes
// milliseconds, and refuses all that the compiler refuses.
type typeChecker struct {
	root     string
	files    map[string][]string // of each package, by its folder from the root
	imported map[string]string   // compiled packages by import path
}

func newTypeChecker(t *testing.T, root string) *typeChecker {
	c := &typeChecker{root: root, files: map[string][]string{}, imported: map[string]string{}}
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export", "./raft", "./node/...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	text, err := cmd.Output()
	require.NoError(t, err)
	list := json.NewDecoder(bytes.NewReader(text))
	for {
		var p struct {
			ImportPath, Dir, Export string
			GoFiles                 []string
		}
		if err := list.Decode(&p); err == io.EOF {
			return c
		}
		require.NoError(t, err)
		c.imported[p.ImportPath] = p.Export
		if folder, err := filepath.Rel(root, p.Dir); err == nil {
			c.files[filepath.ToSlash(folder)] = p.GoFiles
		}
	}
}

// check type-checks the packages that the mutant changes.
func (c *typeChecker) check(patched map[string][]byte) error {
	folders := map[string]bool{}
	for name := range patched {
		folders[path.Dir(name)] = true
	}
	for folder := range folders {
		set := token.NewFileSet()
		var files []*ast.File
		for _, name := range c.files[folder] {
			name = path.Join(folder, name)
			var source any
			if content, ok := patched[name]; ok {
				source = content
			}
			file, err := parser.ParseFile(set, filepath.Join(c.root, name), source, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, file)
		}
		config := types.Config{Importer: importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(c.imported[path]) })}
		if _, err := config.Check("github.com/ordeal-dev/ordeal/"+folder, set, files, nil); err != nil {
			return err
		}
	}
	return nil
}
