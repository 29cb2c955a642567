package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// A probe is one datagram: probeMagic and then the nonce.
const (
	probeMagic  = "ordeal-probe "
	maxNonce    = 64
	maxReceived = 8192 // nonces remembered; the oldest are forgotten first
)

func checkNonce(nonce string) error {
	if nonce == "" || len(nonce) > maxNonce || strings.ContainsAny(nonce, " \n") {
		return fmt.Errorf("nonce %.80q: want 1 to %d bytes without spaces", nonce, maxNonce)
	}
	return nil
}

// prober sends probes and remembers those that came.
type prober struct {
	conn *net.UDPConn

	mu      sync.Mutex
	from    map[string]netip.AddrPort
	order   []string
	arrived chan struct{} // closed and renewed at every arrival
}

func newProber(address string) (*prober, error) {
	udp, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", udp)
	if err != nil {
		return nil, err
	}
	return &prober{conn: conn, from: map[string]netip.AddrPort{}, arrived: make(chan struct{})}, nil
}

func (p *prober) port() int { return p.conn.LocalAddr().(*net.UDPAddr).Port }

// run receives until the prober is closed.
func (p *prober) run() {
	buf := make([]byte, 2048)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier datagram
		}
		nonce, ok := strings.CutPrefix(string(buf[:n]), probeMagic)
		if ok && checkNonce(nonce) == nil {
			p.arrive(nonce, from)
		}
	}
}

func (p *prober) arrive(nonce string, from netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.from[nonce]; known {
		return
	}
	p.from[nonce] = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	p.order = append(p.order, nonce)
	if len(p.order) > maxReceived {
		delete(p.from, p.order[0])
		p.order = p.order[1:]
	}
	close(p.arrived)
	p.arrived = make(chan struct{})
}

// send sends one datagram a target and tells which could not be sent.
func (p *prober) send(targets []Target) map[string]string {
	failed := map[string]string{}
	for _, t := range targets {
		if _, err := p.conn.WriteToUDPAddrPort([]byte(probeMagic+t.Nonce), t.Address); err != nil {
			failed[t.Nonce] = err.Error()
		}
	}
	return failed
}

// received waits until all nonces have come or ctx ends, and gives those that have.
func (p *prober) received(ctx context.Context, nonces []string) map[string]netip.AddrPort {
	for {
		got := map[string]netip.AddrPort{}
		p.mu.Lock()
		for _, n := range nonces {
			if from, ok := p.from[n]; ok {
				got[n] = from
			}
		}
		arrived := p.arrived
		p.mu.Unlock()
		if len(got) == len(nonces) || ctx.Err() != nil {
			return got
		}
		select {
		case <-arrived:
		case <-ctx.Done():
		}
	}
}

func (p *prober) close() { p.conn.Close() }
