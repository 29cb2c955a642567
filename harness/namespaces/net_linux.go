package namespaces

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/rpc"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/harness/agents"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

// askLimit bounds one attempt to ask an agent that may not listen yet.
const askLimit = 5 * time.Second

// closeLimit is how long the keeper may take to end, before it is killed.
const closeLimit = 5 * time.Second

// Net is the namespaces of one run.
type Net struct {
	options Options
	config  keeperConfig
	outside map[listener]string // host:port of this machine
	agents  map[string]*agent.Client
	cmd     *exec.Cmd
	rpc     *rpc.Client
	ended   chan struct{} // closed when the keeper has been waited for
}

// Open makes the namespaces, and returns once every agent answers.
func Open(ctx context.Context, options Options) (*Net, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	n := &Net{options: options, outside: map[listener]string{}, agents: map[string]*agent.Client{}, ended: make(chan struct{})}
	n.config.Secret = rand.Text()
	for i, node := range options.Nodes {
		n.config.Nodes = append(n.config.Nodes, place{node, addressOf(i), options.Log(node), options.Folder(node)})
		for _, port := range append(slices.Clone(options.Ports), agentPort) {
			n.config.Listeners = append(n.config.Listeners, listener{i, port})
		}
	}
	if err := n.start(); err != nil {
		return nil, fmt.Errorf("network namespaces: %w", err)
	}
	if err := n.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("network namespaces: %w", err), n.Close())
	}
	return n, nil
}

// start starts the keeper with all that it is handed.
func (n *Net) start() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	own, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer own.Close()
	files := []*os.File{theirs}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, to := range n.config.Listeners {
		f, address, err := listen()
		if err != nil {
			return err
		}
		files = append(files, f)
		n.outside[to] = address
	}
	conn, err := net.FileConn(own)
	if err != nil {
		return err
	}
	if n.cmd, err = startKeeper(n.config, files, n.options.Start); err != nil {
		conn.Close()
		return err
	}
	n.rpc = rpc.NewClient(conn)
	go func() {
		defer close(n.ended)
		_ = n.cmd.Wait() // Who asks it something hears that it is gone.
	}()
	return nil
}

// listen makes a listener on a port of this machine that nobody has.
func listen() (*os.File, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	return f, l.Addr().String(), err
}

// startKeeper starts the keeper with as few rights as do: as root, who may have lost some of his in a container, it falls back on what anybody may.
func startKeeper(config keeperConfig, files []*os.File, start func(*exec.Cmd) error) (*exec.Cmd, error) {
	is, err := part{Keeper: &config}.variable()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, attributes := range waysIn() {
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = []string{os.Args[0], "keeps the network namespaces of", config.Nodes[0].Folder} // for people; some programs are who they are called
		cmd.Env = append(os.Environ(), is)
		cmd.Stderr = os.Stderr
		cmd.ExtraFiles = files
		cmd.SysProcAttr = attributes
		if err := start(cmd); err == nil {
			return cmd, nil
		} else {
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}

// waysIn are the ways into a network namespace, best first.
func waysIn() []*syscall.SysProcAttr {
	asAnybody := &syscall.SysProcAttr{
		Setpgid: true, Pdeathsig: syscall.SIGKILL,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if os.Geteuid() != 0 {
		return []*syscall.SysProcAttr{asAnybody}
	}
	asRoot := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNET}
	return []*syscall.SysProcAttr{asRoot, asAnybody}
}

// build has the keeper make everything, and waits for the agents.
func (n *Net) build(ctx context.Context) error {
	if err := n.call(ctx, "Build", Nothing{}, &Nothing{}); err != nil {
		return err
	}
	for i, node := range n.options.Nodes {
		n.agents[node] = agent.NewClient(node, n.outside[listener{i, agentPort}], n.config.Secret)
		if err := n.awaitAgent(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

// awaitAgent waits until the agent answers and can partition.
func (n *Net) awaitAgent(ctx context.Context, node string) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		asked, cancel := context.WithTimeout(ctx, askLimit)
		health, err := n.agents[node].Health(asked)
		cancel()
		if err == nil && health.Netfilter != "" {
			return fmt.Errorf("the agent of %s cannot partition: %s", node, health.Netfilter)
		}
		if err == nil {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-n.ended:
			return fmt.Errorf("the keeper has ended: %v", n.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// call asks the keeper.
func (n *Net) call(ctx context.Context, method string, args, reply any) error {
	call := n.rpc.Go(serviceName+"."+method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if errors.Is(call.Error, rpc.ErrShutdown) {
		return errors.New("the keeper of the namespaces is gone")
	}
	return call.Error
}

// PID is the keeper's process.
func (n *Net) PID() int { return n.cmd.Process.Pid }

// Address is the node's, in the nodes' own network.
func (n *Net) Address(node string) netip.Addr {
	return addressOf(slices.Index(n.options.Nodes, node))
}

// Outside is host:port at which a port of the node is reached from this machine.
func (n *Net) Outside(node string, port int) string {
	return n.outside[listener{slices.Index(n.options.Nodes, node), port}]
}

// At is the node as the network between agents has it.
func (n *Net) At(node string, clientPort int) (agents.Node, error) {
	a := n.agents[node]
	if a == nil {
		return agents.Node{}, fmt.Errorf("there is no namespace of %q: the nodes are %v", node, n.options.Nodes)
	}
	return agents.Node{Name: node, Agent: a, Address: n.Address(node), ProbePort: probePort, Client: n.Outside(node, clientPort)}, nil
}

// Reach tells why no connection is accepted at a port of the node.
func (n *Net) Reach(ctx context.Context, node string, port int) error {
	return n.call(ctx, "Reach", netip.AddrPortFrom(n.Address(node), uint16(port)).String(), &Nothing{})
}

// Start runs a command in the node's namespace. wait returns once it has ended: how. It has to be called, once.
func (n *Net) Start(node string, command Command) (process *os.Process, wait func() string, err error) {
	var started Started
	if err := n.call(context.Background(), "Start", StartRequest{node, command}, &started); err != nil {
		return nil, nil, err
	}
	wait = func() string {
		var how string
		if err := n.call(context.Background(), "Wait", started, &how); err != nil {
			return "with its namespace: " + err.Error()
		}
		return how
	}
	// The keeper has not waited for it yet: the handle is of this process, also if it has ended already.
	process, err = os.FindProcess(started.PID)
	if err != nil {
		go wait()
	}
	return process, wait, err
}

// Close ends all that runs in the namespaces, and with it the namespaces.
func (n *Net) Close() error {
	for _, a := range n.agents {
		a.Close()
	}
	err := n.rpc.Close()
	if errors.Is(err, rpc.ErrShutdown) {
		err = nil
	}
	select {
	case <-n.ended:
	case <-time.After(closeLimit):
		err = errors.Join(err, n.cmd.Process.Kill())
		<-n.ended
	}
	return err
}
