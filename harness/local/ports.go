package local

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

// freePort draws a port that nobody listens on now. Nothing keeps another program from taking it before the node does; Setup
// notices and draws again.
func freePort(taken map[int]bool) (int, error) {
	low, high := portRange()
	for range portAttempts {
		port := low + rand.IntN(high-low)
		if taken[port] {
			continue
		}
		l, err := net.Listen("tcp", address(port))
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

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
