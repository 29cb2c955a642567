// Package ports draws TCP ports of this machine for those who have to name one before they listen on it.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// Ports are drawn from here. The kernel lends ports from ephemeralStart on to outgoing connections.
const (
	lowestPort   = 10000
	highestPort  = 32000
	portAttempts = 200
)

// Free draws a port of 127.0.0.1 that nobody listens on now and that is not taken, and takes it. Nothing keeps another program from
// listening on it first: its user notices, and draws again.
func Free(taken map[int]bool) (int, error) {
	low, high := portRange()
	for range portAttempts {
		port := low + rand.IntN(high-low)
		if taken[port] {
			continue
		}
		l, err := net.Listen("tcp", Address(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
		taken[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("no free port between %d and %d after %d attempts: is something listening on all of them?", low, high, portAttempts)
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
