package namespaces

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/ordeal-dev/ordeal/nemesis/nfqueue"
)

// probeLimit bounds the whole trial.
const probeLimit = 10 * time.Second

// Probe tells why a cluster cannot have namespaces on this machine: it makes two, sends something from one to the other, and tries the packet filter
// and the packet queue in them.
func Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	n := &Net{options: Options{Start: startOnThread}, ended: make(chan struct{})}
	for i, node := range []string{"a", "b"} {
		n.config.Nodes = append(n.config.Nodes, place{Node: node, Address: addressOf(i)})
	}
	if err := n.start(); err != nil {
		return err
	}
	return errors.Join(n.call(ctx, "Try", Nothing{}, &Nothing{}), n.Close())
}

// startOnThread starts a program that ends with this one, or before it: the thread that starts it stays until it has ended, and then goes.
func startOnThread(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		for cmd.Process.Signal(syscall.Signal(0)) == nil { // until somebody has waited for it
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return <-started
}

// Try makes the namespaces without agents, and tries them.
func (k *keeper) Try(Nothing, *Nothing) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.wire(); err != nil {
		return err
	}
	a, b := k.config.Nodes[0], k.config.Nodes[1]
	if err := k.tryPath(a, b); err != nil {
		return err
	}
	return k.rooms[b.Node].do(func() error {
		filter := &netfilter.Filter{}
		defer filter.Close()
		documentation := netip.AddrFrom4([4]byte{192, 0, 2, 1}) // RFC 5737: nobody's
		drop := netfilter.Drop{Direction: netfilter.In, Peer: documentation, Mode: netfilter.Data}
		if err := errors.Join(filter.Replace([]netfilter.Drop{drop}), filter.Clear()); err != nil {
			return err
		}
		return nfqueue.Probe()
	})
}

// tryPath connects from one node to the other.
func (k *keeper) tryPath(from, to place) error {
	var l net.Listener
	err := k.rooms[to.Node].do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(to.Address, 0).String())
		return err
	})
	if err != nil {
		return fmt.Errorf("listen in a namespace: %w", err)
	}
	defer l.Close()
	return k.rooms[from.Node].do(func() error {
		conn, err := net.DialTimeout("tcp", l.Addr().String(), reachLimit)
		if err != nil {
			return fmt.Errorf("connect from one namespace to the other: %w", err)
		}
		return conn.Close()
	})
}
