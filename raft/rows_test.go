package raft

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/raft.md has every row, and every test that it names exists.
func TestEveryRowNamesItsTests(t *testing.T) {
	page, err := os.ReadFile("../docs/raft.md")
	require.NoError(t, err)
	var source strings.Builder
	require.NoError(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		source.Write(text)
		return err
	}))
	for row := 1; row <= 22; row++ {
		line := regexp.MustCompile(fmt.Sprintf(`(?m)^\| R%d \|.*$`, row)).FindString(string(page))
		require.Contains(t, line, "`", "row R%d", row)
	}
	for _, name := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		require.Contains(t, source.String(), "func "+name[1]+"(", "docs/raft.md")
	}
	for _, name := range regexp.MustCompile("`(testdata/\\w+\\.txt)`").FindAllStringSubmatch(string(page), -1) {
		require.FileExists(t, name[1])
	}
}
