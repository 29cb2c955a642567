package docker

import (
	"os"
	"strconv"
)

// Labels on everything a run creates. They name the run and the process that made it, so that what a dead process left
// behind can be told from what a living one uses.
const (
	labelRun   = "dev.ordeal.run"
	labelHost  = "dev.ordeal.host"  // where the process ran: host name and process namespace
	labelBoot  = "dev.ordeal.boot"  // the machine's boot: process ids start again with the next
	labelPID   = "dev.ordeal.pid"   // its process id
	labelStart = "dev.ordeal.start" // when it started, in the system's own terms: a process id may be used again
	labelImage = "dev.ordeal.image" // on images: the digest of what is in it
)

// owner is the process that a thing belongs to.
type owner struct{ host, boot, pid, start string }

func thisProcess() owner {
	pid := os.Getpid()
	return owner{host: hostIdentity(), boot: bootIdentity(), pid: strconv.Itoa(pid), start: processStart(pid)}
}

func (o owner) labels(run string) map[string]string {
	return map[string]string{
		labelRun: run, labelHost: o.host, labelBoot: o.boot, labelPID: o.pid, labelStart: o.start,
	}
}

func ownerOf(labels map[string]string) owner {
	return owner{host: labels[labelHost], boot: labels[labelBoot], pid: labels[labelPID], start: labels[labelStart]}
}

// gone tells whether the process is surely no more. Of a process on another machine nothing is known, so it is not.
func (o owner) gone() bool {
	if o.host == "" || o.host != hostIdentity() {
		return false
	}
	if o.boot != bootIdentity() {
		return true
	}
	pid, err := strconv.Atoi(o.pid)
	if err != nil || pid <= 0 {
		return false
	}
	// An empty start means that there is no such process now.
	return processStart(pid) != o.start
}
