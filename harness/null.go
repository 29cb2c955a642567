package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// nullSystem is a system that costs nothing.
type nullSystem struct{}

func (nullSystem) Name() string { return "null" }

func (nullSystem) Open(string, map[string]string) (systems.Client, error) { return nullClient{}, nil }

// nullClient answers at once, and knows nothing. It looks whether it may still, as every client does.
type nullClient struct{}

func (nullClient) Invoke(ctx context.Context, _ workloads.Operation) systems.Completion {
	select {
	case <-ctx.Done():
		return systems.Completion{Type: history.Info, Error: ctx.Err().Error()}
	default:
		return systems.Completion{Type: history.OK, Node: "n1"}
	}
}
func (nullClient) Close() {}

// nullCluster is a cluster of nodes that are not there: what watches them gets answers, over HTTP as from real ones.
type nullCluster struct {
	address string
	status  *http.Server
}

var errNull = errors.New("there is no such node")

func (*nullCluster) Kind() string                  { return "null" }
func (*nullCluster) Nodes() []string               { return []string{"n1", "n2", "n3", "n4", "n5"} }
func (c *nullCluster) ClientAddress(string) string { return c.address }
func (c *nullCluster) StatusAddress(string) string { return c.address }
func (*nullCluster) Facts() map[string]string      { return nil }

func (c *nullCluster) Setup(context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.address = l.Addr().String()
	c.status = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"role":"follower","term":1,"commit":1,"applied":1}`)
	})}
	go c.status.Serve(l)
	return nil
}

func (c *nullCluster) Teardown(context.Context) error {
	_ = c.status.Close()
	return nil
}
func (*nullCluster) CollectLogs(context.Context, string) error { return nil }

func (*nullCluster) Kill(context.Context, string) error        { return errNull }
func (*nullCluster) Start(context.Context, string) error       { return errNull }
func (*nullCluster) Cut(context.Context, []nemesis.Link) error { return nil }

func (*nullCluster) Process(context.Context, string) (nemesis.ProcessState, error) {
	return nemesis.ProcessState{Running: true, PID: 1, Starts: 1}, nil
}

func (*nullCluster) Probe(_ context.Context, links []nemesis.Link) (probes []nemesis.Probe, err error) {
	for _, l := range links {
		probes = append(probes, nemesis.Probe{Link: l, Crossed: true, Method: "none"})
	}
	return probes, nil
}
