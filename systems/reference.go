package systems

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Reference names a system as command lines do: NAME[@VERSION][:CONSISTENCY].
type Reference struct{ Name, Version, Consistency string }

// ParseReference takes a reference apart.
func ParseReference(text string) (Reference, error) {
	rest, consistency, chosen := strings.Cut(text, ":")
	name, version, versioned := strings.Cut(rest, "@")
	r := Reference{Name: name, Version: strings.TrimPrefix(version, "v"), Consistency: consistency}
	if r.Name == "" || versioned && r.Version == "" || chosen && consistency == "" {
		return r, fmt.Errorf("%q: want NAME, NAME@VERSION, NAME:CONSISTENCY or NAME@VERSION:CONSISTENCY", text)
	}
	return r, nil
}

// String is the reference as it is written.
func (r Reference) String() string {
	text := r.Name
	if r.Version != "" {
		text += "@" + r.Version
	}
	if r.Consistency != "" {
		text += ":" + r.Consistency
	}
	return text
}

// Choice is what a system can be had as.
type Choice struct {
	Versions      []string // known to be built by `make systems`, the usual one first; empty: the machine's own is what there is
	Consistencies []string // of reads, the usual one first
}

// Complete is the reference with what it leaves open filled in; what cannot be had is an error.
func (c Choice) Complete(r Reference) (Reference, error) {
	if r.Version == "" && len(c.Versions) > 0 {
		r.Version = c.Versions[0]
	}
	if r.Version != "" && len(c.Versions) == 0 {
		return r, fmt.Errorf("%s@%s: there is one version of it only, the machine's own: leave @%s out", r.Name, r.Version, r.Version)
	}
	if r.Consistency == "" && len(c.Consistencies) > 0 {
		r.Consistency = c.Consistencies[0]
	}
	if !slices.Contains(c.Consistencies, r.Consistency) {
		return r, fmt.Errorf("%s has no reads called %q; it has %s", r.Name, r.Consistency, strings.Join(c.Consistencies, ", "))
	}
	return r, nil
}

// Built is the path of the program of a version in the folder that `make systems` builds into.
func (c Choice) Built(folder string, r Reference) (string, error) {
	path := filepath.Join(folder, r.Name+"@"+r.Version)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return path, nil
	}
	remedy := fmt.Sprintf("`make systems` builds %s", strings.Join(c.Versions, ", "))
	if slices.Contains(c.Versions, r.Version) {
		remedy = fmt.Sprintf("build it with `make systems SYSTEMS=%s@%s`", r.Name, r.Version)
	}
	return "", fmt.Errorf("%s@%s is not built (there is no %s): %s", r.Name, r.Version, path, remedy)
}
