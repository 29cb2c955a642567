// Package ports draws TCP ports of this machine for those who have to name one before they listen on it, and holds them for as long as
// they are needed: a server that is down for a while must not find another run's on its port, nor must its clients.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
)

// Ports are drawn from here. The kernel lends ports from ephemeralStart on to outgoing connections.
const (
	lowestPort   = 10000
	highestPort  = 32000
	portAttempts = 200
)

// Held are ports of 127.0.0.1 that nobody else who draws ports is given until Release, on this machine and under any user, whether or not
// anybody listens on them. The zero value holds none.
//
// A TCP port is held by the UDP port of the same number: the kernel gives it to one socket only, takes it back when the process ends
// however it ends, and it is in nobody's way who listens on the TCP port, now or again later. Programs that do not ask here
// are not kept from a port: who finds one of those on it draws again.
type Held struct {
	mu    sync.Mutex
	locks map[int]net.PacketConn
}

// Draw takes a port that is free now.
func (h *Held) Draw() (int, error) {
	low, high := portRange()
	for range portAttempts {
		port := low + rand.IntN(high-low)
		if h.Take(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d after %d attempts: is something listening on all of them?", low, high, portAttempts)
}

// Take takes this port, unless it is held or somebody listens on it.
func (h *Held) Take(port int) bool {
	lock, err := net.ListenPacket("udp4", Address(port))
	if err != nil {
		return false
	}
	if !unused(port) {
		_ = lock.Close() // nothing was sent
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.locks == nil {
		h.locks = map[int]net.PacketConn{}
	}
	h.locks[port] = lock
	return true
}

// unused tells whether the TCP port can be listened on.
func unused(port int) bool {
	l, err := net.Listen("tcp4", Address(port))
	return err == nil && l.Close() == nil
}

// Release lets go of all that is held. It may be called again.
func (h *Held) Release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, lock := range h.locks {
		errs = append(errs, lock.Close())
	}
	h.locks = nil
	return errors.Join(errs...)
}

// portRange keeps below what the kernel lends, where it says what that is.
func portRange() (low, high int) {
	low, high = lowestPort, highestPort
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return low, high
	}
	var ephemeral int
	if _, err := fmt.Sscan(string(text), &ephemeral); err == nil && ephemeral > low+1000 {
		high = min(high, ephemeral)
	}
	return low, high
}

// Address is host:port of a port of 127.0.0.1.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
