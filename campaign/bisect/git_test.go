package bisect_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign/bisect"
	"github.com/ordeal-dev/ordeal/campaign/versions"
)

// node is the program of a small repository: it is given a seed, and fails (exit code 1) on some seeds if it has the flaw.
const node = `package main

import (
	"os"
	"strconv"
)

const revision, flawed = %d, %t

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	if flawed && seed%%3 == 0 {
		os.Exit(1)
	}
}
`

// repository has a commit for each revision: the flaw comes with the one given, and one of them does not compile.
func repository(t *testing.T, revisions, flaw, broken int) versions.Repository {
	t.Helper()
	root := t.TempDir()
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	write := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o644))
	}
	git("init", "-q", "-b", "main")
	write("go.mod", "module github.com/ordeal-dev/ordeal\n\ngo 1.26.0\n")
	for r := range revisions {
		text := fmt.Sprintf(node, r, r >= flaw)
		if r == broken {
			text += "it does not compile\n"
		}
		write("cmd/ordeal-node/main.go", text)
		git("add", "-A")
		git("commit", "-q", "-m", fmt.Sprintf("revision %d", r))
	}
	return versions.Repository{Root: root}
}

// The commit is found over a real repository with real builds, though the failure shows in one run of three, and the commit in the
// middle does not compile.
func TestTheCommitIsFound(t *testing.T) {
	ctx := t.Context()
	git := repository(t, 9, 6, 4)
	cache := t.TempDir()
	var built []string
	builder := &versions.Builder{Command: "./cmd/ordeal-node", Root: git.Root, Cache: cache, Note: func(text string) { built = append(built, text) }}
	good, err := git.Commit(ctx, "HEAD~8")
	require.NoError(t, err)
	bad, err := git.Commit(ctx, "main")
	require.NoError(t, err)
	commits, err := git.Between(ctx, good, bad)
	require.NoError(t, err)
	commits = append([]versions.Commit{good}, commits...)
	require.Len(t, commits, 9)
	var mu sync.Mutex
	run := func(ctx context.Context, version, attempt int) (bisect.Outcome, error) {
		mu.Lock()
		path, err := builder.BuildCommit(ctx, git, commits[version])
		mu.Unlock()
		if errors.Is(err, versions.ErrNoBuild) {
			return bisect.Untestable, nil
		}
		if err != nil {
			return 0, err
		}
		err = exec.CommandContext(ctx, path, fmt.Sprint(attempt)).Run()
		var exit *exec.ExitError
		switch {
		case err == nil:
			return bisect.Passed, nil
		case errors.As(err, &exit):
			return bisect.Failed, nil
		}
		return 0, err
	}
	o := bisect.Default
	o.Parallel = 2
	r, err := bisect.Search(ctx, len(commits), run, o)
	require.NoError(t, err)
	require.Equal(t, r.First, r.Last)
	require.Equal(t, "revision 6", commits[r.First].Subject)
	require.LessOrEqual(t, len(built), 7, "few commits are built, and but for the broken one each once: %v", built)
	text, err := exec.Command("git", "-C", git.Root, "status", "--porcelain").Output()
	require.NoError(t, err)
	require.Empty(t, string(text), "nothing is left in the repository")
	worktrees, err := exec.Command("git", "-C", git.Root, "worktree", "list").Output()
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(worktrees), "\n"))

	_, err = git.Between(ctx, bad, good)
	require.ErrorContains(t, err, "is not an ancestor of")
	_, err = git.Between(ctx, bad, bad)
	require.ErrorContains(t, err, "are the same commit")
}
