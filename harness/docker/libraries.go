package docker

import (
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A program that is not static loads libraries when it starts, and the kernel starts it by a loader whose path is in it. An image from scratch
// has neither: both are taken from this machine.

// libraries is the image's folder of them. Where programs look for libraries differs between machines; LD_LIBRARY_PATH says it to all loaders.
const libraries = programs + "lib/"

// loading is what programs load, by the name in the build's context.
type loading struct {
	files   map[string]string // the file on this machine
	loaders map[string]string // of those that are loaders: the path at which the kernel looks for them
}

// loadedByAll finds what programs load, which are given by name; nothing where all of them are static.
func loadedByAll(found map[string]string) (loading, error) {
	all := loading{files: map[string]string{}, loaders: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if err := all.add(found[name]); err != nil {
			return all, fmt.Errorf("what %s loads when it starts: %w", found[name], err)
		}
	}
	return all, nil
}

func (l loading) add(program string) error {
	content, err := os.Open(program)
	if err != nil {
		return err
	}
	defer content.Close()
	file, err := elf.NewFile(content)
	if err != nil {
		return nil // it is no program of Linux, which the image's own check tells
	}
	loader, dynamic := interpreter(file)
	if !dynamic {
		return nil
	}
	if !filepath.IsAbs(loader) {
		return fmt.Errorf("its loader is %q, which is no path", loader)
	}
	l.files[filepath.Base(loader)], l.loaders[filepath.Base(loader)] = loader, loader
	out, err := exec.Command("ldd", program).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ldd: %w: %.500s: use a static program, or --cluster local", err, out)
	}
	return l.read(string(out))
}

// read adds what ldd tells: a line a library, `NAME => PATH (ADDRESS)`. What has no path is the kernel's, or the loader.
func (l loading) read(told string) error {
	for line := range strings.Lines(told) {
		name, path, known := strings.Cut(strings.TrimSpace(line), " => ")
		path, _, _ = strings.Cut(path, " (")
		switch {
		case !known:
			continue
		case !filepath.IsAbs(path):
			return fmt.Errorf("%s: %s: install it, or use --cluster local", name, path)
		}
		l.files[filepath.Base(name)] = path
	}
	return nil
}

// dockerfile has it all copied to where programs find it.
func (l loading) dockerfile() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(l.files)) {
		to := libraries
		if at, is := l.loaders[name]; is {
			to = at
		}
		fmt.Fprintf(&b, "COPY %s %s\n", name, to)
	}
	return b.String()
}

// interpreter is the path of the loader that a program is started by; static ones have none.
func interpreter(file *elf.File) (path string, has bool) {
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			text := make([]byte, min(p.Filesz, 4096))
			n, _ := p.ReadAt(text, 0) // what cannot be read is no path
			return strings.TrimRight(string(text[:n]), "\x00"), true
		}
	}
	return "", false
}
