package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// callLimit bounds a call whose context has no deadline of its own.
const callLimit = 15 * time.Second

// Client is one agent as its harness sees it. It is safe for use by many goroutines.
type Client struct {
	name    string
	address string
	secret  string
	http    *http.Client
}

// NewClient makes a client of the agent of node name whose control API is at address (host:port).
func NewClient(name, address, secret string) *Client {
	// Orders never go through a proxy: the agent is on this machine or near it.
	return &Client{name: name, address: address, secret: secret, http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 8,
	}}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// IsConflict tells an order that the process's state does not allow: a kill of what is down, a start of what runs.
func IsConflict(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusConflict
}

// Health asks whether the agent answers and what it can do.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return call[Health](ctx, c, http.MethodGet, pathHealth, nil)
}

// Process tells the state of the child now.
func (c *Client) Process(ctx context.Context) (nemesis.ProcessState, error) {
	return call[nemesis.ProcessState](ctx, c, http.MethodGet, pathProcess, nil)
}

// Start starts the child; it is an error if it runs.
func (c *Client) Start(ctx context.Context) (nemesis.ProcessState, error) {
	return c.order(ctx, pathStart)
}

// Kill sends SIGKILL to the child and returns once it has been reaped; it is an error if it does not run.
func (c *Client) Kill(ctx context.Context) (nemesis.ProcessState, error) {
	return c.order(ctx, pathKill)
}

// Pause stops the child and returns once the kernel shows every thread of it as stopped.
func (c *Client) Pause(ctx context.Context) (nemesis.ProcessState, error) {
	return c.order(ctx, pathPause)
}

// Resume lets the child go on.
func (c *Client) Resume(ctx context.Context) (nemesis.ProcessState, error) {
	return c.order(ctx, pathResume)
}

func (c *Client) order(ctx context.Context, path string) (nemesis.ProcessState, error) {
	return call[nemesis.ProcessState](ctx, c, http.MethodPost, path, nil)
}

// Partition puts exactly these cuts in force; no cuts is the same as Heal.
func (c *Client) Partition(ctx context.Context, cuts []Cut) error {
	if len(cuts) == 0 {
		return c.Heal(ctx)
	}
	_, err := call[Partition](ctx, c, http.MethodPut, pathPartition, Partition{Cuts: cuts})
	return err
}

// Heal removes every cut.
func (c *Client) Heal(ctx context.Context) error {
	_, err := call[Partition](ctx, c, http.MethodDelete, pathPartition, nil)
	return err
}

// Counters tells what each cut in force has stopped.
func (c *Client) Counters(ctx context.Context) ([]CutCount, error) {
	counters, err := call[Counters](ctx, c, http.MethodGet, pathCounters, nil)
	return counters.Counts, err
}

// Shape shapes exactly what arrives from these peers and what is sent to those; none lifts all.
func (c *Client) Shape(ctx context.Context, all Shapes) error {
	if len(all.Peers)+len(all.Sent) == 0 {
		_, err := call[ShapeCounts](ctx, c, http.MethodDelete, pathShapes, nil)
		return err
	}
	_, err := call[ShapeCounts](ctx, c, http.MethodPut, pathShapes, all)
	return err
}

// Shaped tells what was done to what arrived from each peer that is shaped, and to what was sent.
func (c *Client) Shaped(ctx context.Context) (ShapeCounts, error) {
	return call[ShapeCounts](ctx, c, http.MethodGet, pathShapes, nil)
}

// Able asks which mechanisms can be used.
func (c *Client) Able(ctx context.Context) (Able, error) {
	return call[Able](ctx, c, http.MethodGet, pathAble, nil)
}

// Reset destroys the TCP connections with the peers and tells how many there were.
func (c *Client) Reset(ctx context.Context, peers []netip.Addr) (int, error) {
	reset, err := call[Reset](ctx, c, http.MethodPost, pathReset, ResetRequest{Peers: peers})
	return reset.Destroyed, err
}

// Send sends probes to other agents and tells, by nonce, which could not be sent and why.
func (c *Client) Send(ctx context.Context, targets []Target) (map[string]string, error) {
	sent, err := call[Sent](ctx, c, http.MethodPost, pathSend, SendRequest{Targets: targets})
	return sent.Failed, err
}

// Received tells which of the nonces have arrived, and from where, after waiting at most wait for all of them.
func (c *Client) Received(ctx context.Context, nonces []string, wait time.Duration) (map[string]netip.AddrPort, error) {
	received, err := call[Received](ctx, c, http.MethodPost, pathReceived,
		ReceivedRequest{Nonces: nonces, WaitMS: int(wait.Milliseconds())})
	return received.From, err
}

// Ports lists the TCP ports on which something beside the agent listens, the agent's own included.
func (c *Client) Ports(ctx context.Context) ([]int, error) {
	ports, err := call[Ports](ctx, c, http.MethodGet, pathPorts, nil)
	return ports.Listening, err
}

// Log copies the child's output, oldest first, to w.
func (c *Client) Log(ctx context.Context, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, pathLog, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return c.wrap(pathLog, err)
	}
	return nil
}

// call sends in as JSON and reads the answer as an Out.
func call[Out any](ctx context.Context, c *Client, method, path string, in any) (Out, error) {
	var out Out
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callLimit)
		defer cancel()
	}
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, c.wrap(path, fmt.Errorf("the answer cannot be read: %w", err))
	}
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	return out, nil
}

// send gives the response of a call that succeeded; its body is the caller's to close.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.secret)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.wrap(path, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.wrap(path, readError(resp))
}

func readError(resp *http.Response) error {
	e := &Error{Status: resp.StatusCode}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(b, e) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("%s: %.200s", resp.Status, b)
	}
	return e
}

func (c *Client) wrap(path string, err error) error {
	return fmt.Errorf("agent of %s at %s: %s: %w", c.name, c.address, path, err)
}
