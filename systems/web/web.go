// Package web is a client of one node's HTTP port, for adapters of systems that speak HTTP. It tells requests that surely did not leave from all others.
package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/ordeal-dev/ordeal/systems"
)

// maxAnswer bounds an answer in bytes.
const maxAnswer = 8 << 20

// Client sends requests to one address. Redirects are not followed: an adapter has to know who answered.
type Client struct {
	Address string // host:port
	http    *http.Client
}

// New makes a client; nothing is connected yet.
func New(address string) *Client {
	// Without keep-alive a request would never meet a connection that has been silent for long; with it, Go's transport sends one again by itself only if nothing of it
	// was written, or if it reads (GET).
	transport := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}
	return &Client{Address: address, http: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Each makes a client of every node, by its name.
func Each(addresses map[string]string) map[string]*Client {
	clients := map[string]*Client{}
	for node, address := range addresses {
		clients[node] = New(address)
	}
	return clients
}

// Close lets go of the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Answer is what came back.
type Answer struct {
	Code   int
	Header http.Header
	Body   []byte
}

// Do sends one request. An error is definite (systems.IsDefinite) where no connection was made: nothing can have left then.
func (c *Client) Do(ctx context.Context, method, path string, body []byte, kind string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.Address+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, systems.Definitely("%w", err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, classify(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("the answer broke off: %w", err)
	}
	return Answer{Code: resp.StatusCode, Header: resp.Header, Body: text}, nil
}

// JSON sends a value and decodes the answer of a 200 into out. Other codes are the caller's to read.
func (c *Client) JSON(ctx context.Context, method, path string, in, out any) (Answer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return Answer{}, systems.Definitely("%w", err)
	}
	a, err := c.Do(ctx, method, path, body, "application/json")
	if err != nil || a.Code != http.StatusOK {
		return a, err
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		return a, fmt.Errorf("the answer is not what it should be: %w: %.200s", err, a.Body)
	}
	return a, nil
}

// classify makes an error definite whose connection was never made.
func classify(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return &systems.Error{Definite: true, Err: err}
	}
	return err
}
