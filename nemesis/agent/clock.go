package agent

import (
	"context"
	"net/http"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// The clocks of the child, by a patch of its vDSO; 409 if it does not run. A child that is started anew has clocks that are right.
const pathClock = "/v1/clock" // GET: nemesis.ClockReading; PUT: nemesis.ClockSetting, nemesis.ClockReading

// SetClock sets how the child's clocks go from now on.
func (c *Client) SetClock(ctx context.Context, to nemesis.ClockSetting) error {
	_, err := call[nemesis.ClockReading](ctx, c, http.MethodPut, pathClock, to)
	return err
}

// Clock reads the child's clocks.
func (c *Client) Clock(ctx context.Context) (nemesis.ClockReading, error) {
	return call[nemesis.ClockReading](ctx, c, http.MethodGet, pathClock, nil)
}
