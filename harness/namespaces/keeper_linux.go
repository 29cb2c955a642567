package namespaces

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/rpc"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// reachLimit bounds one attempt to connect to a node, which is next door.
const reachLimit = time.Second

// keeper is the process that has the namespaces.
type keeper struct {
	config keeperConfig

	mu       sync.Mutex
	rooms    map[string]*room
	children map[int]*child
	ending   bool
}

// run serves whoever started this process until that one is gone.
func (c *keeperConfig) run() error {
	for descriptor := controlDescriptor; descriptor < firstListener+len(c.Listeners); descriptor++ { // what is started from here has no use for them
		syscall.CloseOnExec(descriptor)
	}
	control, err := net.FileConn(os.NewFile(controlDescriptor, "control"))
	if err != nil {
		return fmt.Errorf("the connection to who started this: %w", err)
	}
	k := &keeper{config: *c, rooms: map[string]*room{}, children: map[int]*child{}}
	server := rpc.NewServer()
	if err := server.RegisterName(serviceName, k); err != nil {
		return err
	}
	server.ServeConn(&watched{control, sync.OnceFunc(k.end)})
	k.end()
	return nil
}

// watched is a connection whose end is acted on at once: the server itself first waits for all answers, that of Wait for the end of a process.
type watched struct {
	net.Conn
	end func()
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		go w.end()
	}
	return n, err
}

// child is a process that this one has started.
type child struct {
	cmd  *exec.Cmd
	wait func() // returns once it has been waited for
}

// Build makes the namespaces and all that is in them, agents included.
func (k *keeper) Build(Nothing, *Nothing) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.wire(); err != nil {
		return err
	}
	for i, to := range k.config.Listeners {
		l, err := net.FileListener(os.NewFile(uintptr(firstListener+i), "listener"))
		if err != nil {
			return fmt.Errorf("a listener that was handed over: %w", err)
		}
		go relay(l, netip.AddrPortFrom(k.config.Nodes[to.Node].Address, uint16(to.Port)).String())
	}
	for _, p := range k.config.Nodes {
		if err := k.startAgent(p); err != nil {
			return fmt.Errorf("agent of %s: %w", p.Node, err)
		}
	}
	return nil
}

func (k *keeper) wire() error {
	bridge, err := newBridge()
	if err != nil {
		return err
	}
	for i, p := range k.config.Nodes {
		r, err := newRoom()
		if err != nil {
			return err
		}
		if err := r.tie(bridge, i+1, p.Address); err != nil {
			return fmt.Errorf("%s: %w", p.Node, err)
		}
		k.rooms[p.Node] = r
	}
	for _, p := range k.config.Nodes {
		if err := awaitPath(p.Address); err != nil {
			return fmt.Errorf("%s: %w", p.Node, err)
		}
	}
	return nil
}

const (
	pathTry   = 20 * time.Millisecond
	pathLimit = 10 * time.Second
)

// awaitPath returns once packets go to the address and back: the bridge lets none through before the kernel has noticed that both ends of a pair are
// there, and what is lost until then would be sent again only after a second.
func awaitPath(address netip.Addr) error {
	nobody := netip.AddrPortFrom(address, 1).String()
	for begin := time.Now(); ; {
		conn, err := net.DialTimeout("tcp", nobody, pathTry)
		if err == nil {
			return conn.Close()
		}
		if errors.Is(err, syscall.ECONNREFUSED) { // by somebody who is there
			return nil
		}
		if time.Since(begin) > pathLimit {
			return fmt.Errorf("no packet comes through the bridge: %w", err)
		}
	}
}

func (k *keeper) startAgent(p place) error {
	is, err := part{Agent: &agentConfig{p, k.config.Secret}}.variable()
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{os.Args[0], "is the agent of " + p.Node, p.Folder} // for people; some programs are who they are called
	cmd.Env = append(os.Environ(), is)
	cmd.Stderr = os.Stderr
	return k.start(p.Node, cmd)
}

// start starts a process from the thread in the node's namespace. It excludes the end, which must not pass by one that is being started.
func (k *keeper) start(node string, cmd *exec.Cmd) error {
	r := k.rooms[node]
	if r == nil || k.ending {
		return fmt.Errorf("there is no namespace of %s", node)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := r.do(cmd.Start); err != nil {
		return err
	}
	k.children[cmd.Process.Pid] = &child{cmd, sync.OnceFunc(func() { _ = cmd.Wait() })} // How it ended is in cmd.ProcessState.
	return nil
}

// Start runs a command.
func (k *keeper) Start(request StartRequest, reply *Started) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	log, err := os.OpenFile(request.Command.Log, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(request.Command.Path, request.Command.Args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = request.Command.Env, log, log
	if err := k.start(request.Node, cmd); err != nil {
		return err
	}
	reply.PID = cmd.Process.Pid
	return nil
}

// Wait returns once a process that Start has started has ended: how.
func (k *keeper) Wait(started Started, how *string) error {
	k.mu.Lock()
	c := k.children[started.PID]
	k.mu.Unlock()
	if c == nil {
		return fmt.Errorf("process %d is not one that can be waited for", started.PID)
	}
	c.wait()
	*how = c.cmd.ProcessState.String()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.children, started.PID)
	return nil
}

// Reach tells why nothing accepts a connection at the address.
func (k *keeper) Reach(address string, _ *Nothing) error {
	ctx, cancel := context.WithTimeout(context.Background(), reachLimit)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// end ends what is left.
func (k *keeper) end() {
	k.mu.Lock()
	k.ending = true
	left := slices.Collect(maps.Values(k.children))
	for _, c := range left {
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	}
	k.mu.Unlock()
	for _, c := range left {
		c.wait()
	}
}
