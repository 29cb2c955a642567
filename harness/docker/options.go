package docker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/ordeal-dev/ordeal/systems"
)

// Options say what cluster to build.
type Options struct {
	ComposeFile string   // path of docker-compose.yml; the Dockerfile lies beside it. Default: found upwards from the working directory
	NodeBinary  string   // path of ordeal-node for the engine's system, static
	AgentBinary string   // path of ordeal-agent, likewise
	Nodes       int      // how many; 0 is as many as the file has
	RunID       string   // names the run; lower-case letters, digits, - and _. Default: drawn
	NodeFlags   []string // appended to every node's command line
	// System is whose nodes are run, in place of this project's own: it says how, and ComposeFile and NodeBinary say nothing then.
	System systems.Deployed
	// Disks gives every node a disk that can be hurt (nemesis.Disks). Its container may mount for that.
	Disks bool

	// Mode says which packets Cut drops; default netfilter.All.
	Mode netfilter.Mode
	// KeepConnections leaves TCP connections that were cut to their own timers at a heal. By default both ends of
	// such a connection are destroyed once the link is open again, so that recovery is the system's and not TCP's.
	KeepConnections bool
}

// maxNodes keeps the names and the engine's load sane.
const maxNodes = 25

var runIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func (o Options) withDefaults() (Options, error) {
	if o.Nodes < 0 || o.Nodes > maxNodes {
		return o, fmt.Errorf("%d nodes: want 1 to %d, or 0 for as many as the compose file has", o.Nodes, maxNodes)
	}
	if o.RunID == "" {
		o.RunID = time.Now().UTC().Format("20060102t150405") + "-" + strings.ToLower(rand.Text()[:6])
	}
	if !runIDPattern.MatchString(o.RunID) {
		return o, fmt.Errorf("run id %q: want lower-case letters, digits, - and _, at most 63", o.RunID)
	}
	if o.Mode == "" {
		o.Mode = netfilter.All
	}
	if o.Mode != netfilter.All && o.Mode != netfilter.Data {
		return o, fmt.Errorf("mode %q: want %q or %q", o.Mode, netfilter.All, netfilter.Data)
	}
	if o.System != nil {
		return o, nil
	}
	if o.ComposeFile == "" {
		path, err := findComposeFile()
		if err != nil {
			return o, err
		}
		o.ComposeFile = path
	}
	path, err := filepath.Abs(o.ComposeFile)
	o.ComposeFile = path
	return o, err
}

// findComposeFile looks in the working directory and its parents.
func findComposeFile() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, "docker-compose.yml")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no docker-compose.yml here or above: run this in a checkout of ordeal, or name the file with --compose-file")
		}
		dir = parent
	}
}
