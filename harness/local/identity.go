package local

import (
	"fmt"
	"strings"
)

// identity tells one process from all others, also from those that get its pid later.
type identity struct {
	PID        int    `json:"pid"`
	Started    string `json:"started"`    // when, as the kernel tells it; together with the pid it is unique
	Executable string `json:"executable"` // path; empty where the kernel does not tell
}

// errGone says that there is no such process, or only its remains that nobody has waited for.
type errGone struct{ pid int }

func (e errGone) Error() string { return fmt.Sprintf("there is no process %d", e.pid) }

// alive tells whether the process that id was taken from still runs.
func (id identity) alive() bool {
	now, err := identify(id.PID)
	return err == nil && now.same(id)
}

// same compares start time and executable. A binary that was built anew or deleted meanwhile is still the same process.
func (id identity) same(other identity) bool {
	clean := func(path string) string { return strings.TrimSuffix(path, " (deleted)") }
	if id.PID != other.PID || id.Started != other.Started {
		return false
	}
	return id.Executable == "" || other.Executable == "" || clean(id.Executable) == clean(other.Executable)
}
