package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/harness/ports"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/link"
	"github.com/ordeal-dev/ordeal/systems"
)

// Folders inside a run's folder.
const (
	dataFolder = "data" // data/<node>/
	logsFolder = "logs" // logs/<node>.log
)

const (
	setupTimeout    = 30 * time.Second // for all nodes to answer
	openTimeout     = 60 * time.Second // for their namespaces, which is two processes more a node to be started
	teardownTimeout = 20 * time.Second
	setupAttempts   = 5 // for a node whose ports were taken
)

// Options say what to run.
type Options struct {
	Binary string   // path of the node's binary
	Nodes  []string // names: n1, n2, ...; the i-th has the server number i, from 1
	// Dir is the folder for data and logs; it may be missing. Empty: a temporary one. Teardown removes what the run put there.
	Dir   string
	Flags []string // more flags for every node
	// System is whose nodes are run, in place of this project's own: it says how, and Binary says nothing then.
	System systems.Deployed
	// Disks gives every node a disk that can be hurt (nemesis.Disks).
	Disks bool
	// Links say what is between the nodes; default Userspace.
	Links Links
	// ResetOnHeal has userspace links reset the connections that a partition held something of, in place of letting them go on.
	ResetOnHeal bool
}

// Cluster is the nodes as processes of this machine. It implements harness.Cluster.
type Cluster struct {
	options  Options
	programs map[string]string // of a deployed system, by name
	id       string
	links    Links
	network  *link.Network // of userspace links; nil: there are none
	inside   *inside       // of namespaces; nil: there are none
	ports    ports.Held

	cutting    sync.Mutex // one change at a time
	full, data []nemesis.Link

	mu       sync.Mutex // guards what Setup makes and Teardown takes
	record   *record
	nodes    map[string]*node
	disks    disks
	tornDown bool
}

// node is one server: its process and its ports.
type node struct {
	*process
	index              int            // of Options.Nodes
	peer, client, http int            // ports
	ports              map[string]int // of a deployed system's node, by name
	beside             []*process     // programs that run beside it
}

var _ nemesis.World = (*Cluster)(nil)

var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// New checks the options and makes nothing yet.
func New(options Options) (*Cluster, error) {
	programs, err := findPrograms(&options)
	if err != nil {
		return nil, err
	}
	if len(options.Nodes) == 0 {
		return nil, errors.New("local cluster: no nodes")
	}
	for i, name := range options.Nodes {
		if !nodeName.MatchString(name) {
			return nil, fmt.Errorf("local cluster: node name %q: letters, digits, - and _ only", name)
		}
		if slices.Contains(options.Nodes[:i], name) {
			return nil, fmt.Errorf("local cluster: node %s is named twice", name)
		}
	}
	options.Nodes = slices.Clone(options.Nodes)
	links, err := options.Links.choose()
	if err != nil {
		return nil, err
	}
	id := time.Now().UTC().Format("20060102T150405") + "-" + rand.Text()[:8]
	return &Cluster{options: options, programs: programs, id: id, links: links, nodes: map[string]*node{}}, nil
}

// findPrograms checks that what is to be run is there.
func findPrograms(options *Options) (map[string]string, error) {
	if options.System != nil {
		return options.System.Programs()
	}
	info, err := os.Stat(options.Binary)
	if err != nil {
		return nil, fmt.Errorf("the node's binary: %w; build it with `make build`", err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("the node's binary: %s is not executable", options.Binary)
	}
	options.Binary, err = filepath.Abs(options.Binary)
	return nil, err
}

// Kind is "local".
func (c *Cluster) Kind() string { return "local" }

// Nodes lists the nodes' names in order.
func (c *Cluster) Nodes() []string { return slices.Clone(c.options.Nodes) }

// ID names the run; it is the nodes' --cluster-id too.
func (c *Cluster) ID() string { return c.id }

// Setup starts every node and returns once all their ports answer. Where it fails it takes away what it made, and the
// error has the end of the log of the node that did not come up.
func (c *Cluster) Setup(ctx context.Context) error {
	limit := setupTimeout
	if c.links == Namespaces {
		limit += openTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := c.setup(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("local cluster: %w", err), c.Teardown(ctx))
	}
	return err
}

func (c *Cluster) setup(ctx context.Context) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	for _, name := range c.options.Nodes {
		if err := c.drawPorts(c.nodes[name]); err != nil {
			return err
		}
	}
	for _, name := range c.options.Nodes {
		if err := c.launch(name); err != nil {
			return err
		}
	}
	for _, name := range c.options.Nodes {
		if err := c.comeUp(ctx, c.nodes[name]); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the run's record, its folders and its links, in this order.
func (c *Cluster) prepare(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tornDown || c.record != nil {
		return errors.New("a cluster is set up once")
	}
	dir, madeDir, err := c.chooseDir()
	if err != nil {
		return err
	}
	if c.record, err = newRecord(c.id, dir, madeDir); err != nil {
		return err
	}
	if err := c.record.mark(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, logsFolder), 0o755); err != nil {
		return err
	}
	if err := c.connect(ctx); err != nil {
		return err
	}
	for i, name := range c.options.Nodes {
		if err := c.addNode(i, name); err != nil {
			return err
		}
	}
	if c.options.Disks {
		return c.mountDisks()
	}
	return nil
}

// connect makes what is between the nodes.
func (c *Cluster) connect(ctx context.Context) (err error) {
	switch {
	case c.links == Namespaces:
		return c.openNamespaces(ctx)
	case c.options.System == nil:
		c.network, err = link.New(c.options.Nodes, link.Options{ResetOnHeal: c.options.ResetOnHeal})
	}
	return err
}

// chooseDir says where the run's folder is to be, and whether it is to be made.
func (c *Cluster) chooseDir() (dir string, made bool, err error) {
	if c.options.Dir == "" {
		return filepath.Join(os.TempDir(), "ordeal-local-"+c.id), true, nil
	}
	if dir, err = filepath.Abs(c.options.Dir); err != nil {
		return "", false, err
	}
	for _, folder := range []string{dataFolder, logsFolder} {
		if _, err := os.Lstat(filepath.Join(dir, folder)); err == nil {
			return "", false, fmt.Errorf("folder %s has a %s already; choose another, or run `ordeal cleanup`", dir, folder)
		}
	}
	_, err = os.Lstat(dir)
	return dir, errors.Is(err, os.ErrNotExist), nil
}

func (c *Cluster) addNode(index int, name string) error {
	if err := os.MkdirAll(c.dataDir(name), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(c.logPath(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	c.nodes[name] = &node{process: c.newProcess(name, name, log), index: index}
	return nil
}

// newProcess is one of the node's, or of the programs beside it.
func (c *Cluster) newProcess(name, node string, log *os.File) *process {
	p := &process{node: name, record: c.record, log: log, begin: startHere}
	if c.inside != nil {
		p.begin = c.inside.startIn(node)
	}
	return p
}

func (c *Cluster) dataDir(name string) string { return filepath.Join(c.record.Dir, dataFolder, name) }

func (c *Cluster) logPath(name string) string {
	return filepath.Join(c.record.Dir, logsFolder, name+".log")
}

// drawPorts gives the node ports that are its own until Teardown, also while it is down: another run's node on one of them
// would answer this run's clients.
func (c *Cluster) drawPorts(n *node) error {
	if c.options.System != nil {
		return c.drawNamed(n)
	}
	if c.inside != nil {
		n.peer, n.client, n.http = peerPort, clientPort, httpPort
		return nil
	}
	for _, port := range []*int{&n.peer, &n.client, &n.http} {
		var err error
		if *port, err = c.ports.Draw(); err != nil {
			return err
		}
	}
	c.network.Forward(n.node, ports.Address(n.peer))
	return nil
}

// launch starts the node's process. It excludes Teardown, which must not pass by a process that is being started.
func (c *Cluster) launch(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[name]
	if n == nil || c.tornDown {
		return fmt.Errorf("start %s: the cluster is not set up", name)
	}
	if c.options.System != nil {
		return c.launchDeployed(n)
	}
	return n.start(c.options.Binary, c.args(n), nil)
}

// args is the node's command line. Each node has its own view of where its peers are: at its own links to them.
func (c *Cluster) args(n *node) []string {
	args := []string{
		"--id", strconv.Itoa(n.index + 1), "--cluster-id", c.id, "--data", c.dataDir(n.node),
		"--listen-peer", c.address(n, n.peer), "--listen-client", c.address(n, n.client), "--listen-http", c.address(n, n.http),
	}
	for i, name := range c.options.Nodes {
		at := c.address(c.nodes[name], c.nodes[name].peer)
		if name != n.node && c.network != nil {
			at = c.network.Address(n.node, name)
		}
		args = append(args, "--peer", fmt.Sprintf("%d=%s", i+1, at))
	}
	return append(args, c.options.Flags...)
}

func (c *Cluster) node(name string) (*node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[name]
	if n == nil {
		return nil, fmt.Errorf("local cluster: there is no node %q; it has %v once it is set up", name, c.options.Nodes)
	}
	return n, nil
}

// Kill ends the node's process with SIGKILL and returns once it has been waited for.
func (c *Cluster) Kill(ctx context.Context, name string) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	return n.kill(ctx)
}

// Start starts the node's process again, with the same ports and data.
func (c *Cluster) Start(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.launch(name)
}

// Pause stops the process with SIGSTOP and returns once the kernel shows it stopped.
func (c *Cluster) Pause(ctx context.Context, name string) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	return n.signal(ctx, syscall.SIGSTOP, true)
}

// Resume continues it.
func (c *Cluster) Resume(ctx context.Context, name string) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	return n.signal(ctx, syscall.SIGCONT, false)
}

// Process tells the state of the node's process.
func (c *Cluster) Process(_ context.Context, name string) (nemesis.ProcessState, error) {
	n, err := c.node(name)
	if err != nil {
		return nemesis.ProcessState{}, err
	}
	return n.state(), nil
}

// Probe tries to cross each link.
func (c *Cluster) Probe(ctx context.Context, links []nemesis.Link) ([]nemesis.Probe, error) {
	if err := c.isUp(); err != nil {
		return nil, err
	}
	if c.inside != nil {
		return c.inside.Probe(ctx, links)
	}
	if c.network == nil {
		return c.probeListeners(ctx, links)
	}
	return c.network.Probe(ctx, links)
}

// Counters tells how many bytes a link has passed and held back.
func (c *Cluster) Counters(l nemesis.Link) link.Counters { return c.network.Counters(l) }

func (c *Cluster) isUp() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.record == nil || c.tornDown {
		return errors.New("local cluster: it is not set up")
	}
	return nil
}

// ClientAddress is host:port of the node's client port.
func (c *Cluster) ClientAddress(name string) string { return c.outside(name, c.nodes[name].client) }

// StatusAddress is host:port of the node's HTTP port.
func (c *Cluster) StatusAddress(name string) string { return c.outside(name, c.nodes[name].http) }

// address is host:port of a node's port as nodes have it.
func (c *Cluster) address(n *node, port int) string {
	if c.inside != nil {
		return netip.AddrPortFrom(c.inside.net.Address(n.node), uint16(port)).String()
	}
	return ports.Address(port)
}

// outside is host:port of a node's port as the harness has it.
func (c *Cluster) outside(name string, port int) string {
	if c.inside != nil {
		return c.inside.net.Outside(name, port)
	}
	return ports.Address(port)
}

// CollectLogs writes each node's log, over all its restarts, to dir/<node>.log.
func (c *Cluster) CollectLogs(ctx context.Context, dir string) error {
	if err := c.isUp(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, name := range c.options.Nodes {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, copyFile(c.logPath(name), filepath.Join(dir, name+".log")))
	}
	return errors.Join(errs...)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Facts tells of the machine and the mechanisms.
func (c *Cluster) Facts() map[string]string {
	death := "the kernel ends the nodes with the harness (PR_SET_PDEATHSIG)"
	if !deathSignal {
		death = "nodes outlive a killed harness until `ordeal cleanup`"
	}
	return map[string]string{
		"kernel":     kernel(),
		"cores":      strconv.Itoa(runtime.NumCPU()),
		"platform":   runtime.GOOS + "/" + runtime.GOARCH,
		"partitions": c.partitions(),
		"kills":      "signals; " + death,
	}
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown: " + err.Error()
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// Teardown ends every process and removes the run's files and record. It works under a bound of its own, also when ctx has ended,
// and may be called at any time and again.
func (c *Cluster) Teardown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tornDown = true
	var errs []error
	for _, name := range c.options.Nodes {
		n := c.nodes[name]
		if n == nil {
			continue
		}
		for _, p := range append([]*process{n.process}, n.beside...) {
			if !p.state().Running {
				continue
			}
			if err := p.kill(ctx); err != nil && p.state().Running {
				errs = append(errs, err)
			}
		}
	}
	if c.network != nil {
		errs = append(errs, c.network.Close())
	}
	if c.inside != nil {
		errs = append(errs, c.inside.net.Close())
	}
	errs = append(errs, c.disks.unmount())
	if err := errors.Join(errs...); err != nil || c.record == nil {
		return err // What still runs must stay on record.
	}
	if err := c.ports.Release(); err != nil {
		return err
	}
	for _, n := range c.nodes {
		n.clock.Close()
		_ = n.log.Close() // which those beside write to as well
	}
	if _, err := c.record.removeDir(); err != nil {
		return err
	}
	return c.record.remove()
}
