package docker

import (
	"os"
	"strconv"
	"strings"
)

// hostIdentity tells machines, and containers with process ids of their own, apart.
func hostIdentity() string {
	host, _ := os.Hostname()
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	return host + " " + namespace
}

func bootIdentity() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// processStart is field 22 of /proc/PID/stat, clock ticks since boot; empty if there is no such process or it is a
// zombie.
func processStart(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The command's name is in parentheses and may hold anything, so fields are counted from the last one.
	const stateField, startField = 0, 19
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) <= startField || fields[stateField] == "Z" || fields[stateField] == "X" {
		return ""
	}
	return fields[startField]
}
