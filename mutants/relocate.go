package mutants

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// relocate gives f with its fragments moved to where the source has their lines now: a patch holds as long as the lines
// that it names stay as they are, wherever they stand. Lines that are found twice are an error, since a bug in the wrong
// place is another bug.
func relocate(f *gitdiff.File, source []byte) (*gitdiff.File, error) {
	lines := strings.SplitAfter(string(source), "\n")
	moved := *f
	moved.TextFragments = nil
	shift, end := int64(0), 0 // of the fragments so far: lines added, and where they end
	for i, fragment := range f.TextFragments {
		at, err := locate(fragment, lines)
		if err != nil {
			return nil, fmt.Errorf("fragment %d (%s): %w", i+1, strings.TrimSpace(fragment.Header()), err)
		}
		if at < end {
			return nil, fmt.Errorf("fragment %d stands before the one that precedes it", i+1)
		}
		end = at + int(fragment.OldLines)
		copied := *fragment
		copied.OldPosition = int64(at + 1)
		copied.NewPosition = copied.OldPosition + shift
		shift += fragment.LinesAdded - fragment.LinesDeleted
		moved.TextFragments = append(moved.TextFragments, &copied)
	}
	return &moved, nil
}

// locate is the only place in lines, counted from 0, where the fragment's old lines stand.
func locate(fragment *gitdiff.TextFragment, lines []string) (int, error) {
	var old []string
	for _, line := range fragment.Lines {
		if line.Old() {
			old = append(old, line.Line)
		}
	}
	found := -1
	for at := 0; at+len(old) <= len(lines); at++ {
		if !slices.Equal(lines[at:at+len(old)], old) {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("its lines stand at line %d and at line %d: give it more context", found+1, at+1)
		}
		found = at
	}
	if found < 0 {
		return 0, fmt.Errorf("the source has no such lines any more:\n%s", strings.Join(old, ""))
	}
	return found, nil
}
