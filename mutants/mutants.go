package mutants

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

//go:embed *.patch
var patches embed.FS

// Mutant is one seeded bug.
type Mutant struct {
	Name  string // of the patch, without .patch
	Title string // first line
	// Row is the bug's number in the list of known bugs, or Own, Breaks what it violates, ProvokedBy the faults it needs,
	// HappenedIn where it is known from. All from the header.
	Row, Breaks, ProvokedBy, HappenedIn string

	files []*gitdiff.File
}

// List gives all mutants, sorted by name.
func List() ([]Mutant, error) {
	names, err := fs.Glob(patches, "*.patch")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []Mutant
	for _, name := range names {
		text, err := patches.ReadFile(name)
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(name, ".patch"), text)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Find gives the mutant of that name.
func Find(name string) (Mutant, error) {
	all, err := List()
	if err != nil {
		return Mutant{}, err
	}
	var names []string
	for _, m := range all {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Mutant{}, fmt.Errorf("no mutant %q; there are %s", name, strings.Join(names, ", "))
}

func parse(name string, text []byte) (Mutant, error) {
	m := Mutant{Name: name}
	files, preamble, err := gitdiff.Parse(bytes.NewReader(text))
	if err != nil {
		return m, fmt.Errorf("mutants/%s.patch: %w", name, err)
	}
	if len(files) == 0 {
		return m, fmt.Errorf("mutants/%s.patch holds no diff", name)
	}
	m.files = files
	lines := strings.Split(strings.TrimSpace(preamble), "\n")
	m.Title = strings.TrimSpace(lines[0])
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Row":
			m.Row = value
		case "Breaks":
			m.Breaks = value
		case "Provoked by":
			m.ProvokedBy = value
		case "Happened in":
			m.HappenedIn = value
		}
	}
	if m.Title == "" || m.Row == "" || m.Breaks == "" || m.ProvokedBy == "" || m.HappenedIn == "" {
		return m, fmt.Errorf("mutants/%s.patch: the header wants a title and the lines Row, Breaks, Provoked by, Happened in", name)
	}
	if n, err := strconv.Atoi(m.Row); m.Row != Own && (err != nil || n < 1) {
		return m, fmt.Errorf("mutants/%s.patch: Row is %q, want a number of the list of known bugs, or %q", name, m.Row, Own)
	}
	return m, nil
}

// Own is the row of bugs that are on no list: they were thought up against this source.
const Own = "own"

// RowNumber is the bug's number in the list of known bugs; 0: it is not on it.
func (m Mutant) RowNumber() int {
	n, _ := strconv.Atoi(m.Row) // parse has seen that it is one, or Own
	return n
}

// Files are the paths, from the module's root, that the mutant changes.
func (m Mutant) Files() []string {
	var names []string
	for _, f := range m.files {
		names = append(names, f.NewName)
	}
	return names
}
