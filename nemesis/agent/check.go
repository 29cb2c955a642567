package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// Bounds on what one request may ask.
const (
	maxItems  = 4096
	maxWaitMS = int(time.Minute / time.Millisecond)
)

// decodeStrictly refuses unknown fields and anything behind the value: a request that means more than is understood
// must not half happen.
func decodeStrictly(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the value")
	}
	return nil
}

// check gives the drops to be in force and their names.
func (p Partition) check() ([]netfilter.Drop, map[netfilter.Drop]string, error) {
	if len(p.Cuts) > maxItems {
		return nil, nil, fmt.Errorf("%d cuts, at most %d", len(p.Cuts), maxItems)
	}
	drops, names := make([]netfilter.Drop, len(p.Cuts)), map[netfilter.Drop]string{}
	for i, c := range p.Cuts {
		if err := c.Check(); err != nil {
			return nil, nil, fmt.Errorf("cut %d (%s): %w", i, c.Name, err)
		}
		drops[i] = c.Drop
		drops[i].Peer = c.Peer.Unmap()
		names[drops[i]] = c.Name
	}
	return drops, names, nil
}

// checkShapes gives the peers to be shaped and their names in the same order.
func checkShapes(shapes []PeerShape) (peers []shaping.Peer, names []string, err error) {
	if len(shapes) > maxItems {
		return nil, nil, fmt.Errorf("%d peers, at most %d", len(shapes), maxItems)
	}
	for i, p := range shapes {
		if err := p.Check(); err != nil {
			return nil, nil, fmt.Errorf("peer %d (%s): %w", i, p.Name, err)
		}
		peers, names = append(peers, p.Peer), append(names, p.Name)
	}
	return peers, names, nil
}

func (r ResetRequest) check() error {
	if len(r.Peers) > maxItems {
		return fmt.Errorf("%d peers, at most %d", len(r.Peers), maxItems)
	}
	for i, p := range r.Peers {
		if !p.IsValid() {
			return fmt.Errorf("peer %d has no address", i)
		}
	}
	return nil
}

func (r SendRequest) check() error {
	if len(r.Targets) > maxItems {
		return fmt.Errorf("%d targets, at most %d", len(r.Targets), maxItems)
	}
	for i, t := range r.Targets {
		if err := checkNonce(t.Nonce); err != nil {
			return fmt.Errorf("target %d: %w", i, err)
		}
		if !t.Address.IsValid() || t.Address.Port() == 0 {
			return fmt.Errorf("target %d: no address with a port", i)
		}
	}
	return nil
}

func (r ReceivedRequest) check() error {
	if len(r.Nonces) > maxItems {
		return fmt.Errorf("%d nonces, at most %d", len(r.Nonces), maxItems)
	}
	if r.WaitMS < 0 || r.WaitMS > maxWaitMS {
		return fmt.Errorf("wait_ms is %d, want 0 to %d", r.WaitMS, maxWaitMS)
	}
	return nil
}
