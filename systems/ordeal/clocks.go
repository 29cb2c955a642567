package ordeal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/node/clock"
	"github.com/ordeal-dev/ordeal/systems"
)

var _ systems.Clocked = System{}

// clockPatience bounds one call about a clock.
const clockPatience = 2 * time.Second

// ClockFlags implements systems.Clocked.
func (System) ClockFlags() []string { return []string{"--clock-faults"} }

// Clocks implements systems.Clocked.
func (System) Clocks(addresses map[string]string) (nemesis.Clocks, error) {
	return &clocks{admin{addresses: addresses, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}}, nil
}

// clocks asks the nodes over HTTP.
type clocks struct{ admin }

// SetClock implements nemesis.Clocks.
func (c *clocks) SetClock(ctx context.Context, node string, to nemesis.ClockSetting) error {
	_, err := c.ask(ctx, http.MethodPut, node, clock.Setting(to))
	return err
}

// ReadClock implements nemesis.Clocks.
func (c *clocks) ReadClock(ctx context.Context, node string) (nemesis.ClockReading, error) {
	r, err := c.ask(ctx, http.MethodGet, node, nil)
	return nemesis.ClockReading{Wall: r.Wall, Monotonic: r.Monotonic, TrueWall: r.TrueWall, TrueMonotonic: r.TrueMonotonic,
		Method: "the node's own clock"}, err
}

func (c *clocks) ask(ctx context.Context, method, node string, body any) (r clock.Reading, err error) {
	ctx, cancel := context.WithTimeout(ctx, clockPatience)
	defer cancel()
	code, text, err := c.call(ctx, method, node, "/clock", body)
	switch {
	case err != nil:
		return r, fmt.Errorf("%s: %w", node, err)
	case code == http.StatusNotFound:
		return r, fmt.Errorf("%s has no clock that can be set: start it with --clock-faults", node)
	case code != http.StatusOK:
		return r, fmt.Errorf("%s: %s", node, bytes.TrimSpace(text))
	}
	return r, json.Unmarshal(text, &r)
}
