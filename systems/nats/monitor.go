package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/web"
)

type monitor map[string]*web.Client

// Monitor implements systems.Deployed.
func (System) Monitor(addresses map[string]string) systems.Monitor {
	return monitor(web.Each(addresses))
}

// Status tells whether the node knows itself as the stream's leader.
func (m monitor) Status(ctx context.Context, node string) (systems.Status, error) {
	a, err := m[node].Do(ctx, http.MethodGet, "/jsz?streams=true", nil, "")
	if err != nil {
		return systems.Status{}, err
	}
	var out struct {
		Accounts []struct {
			Streams []struct {
				Name    string
				Cluster struct{ Leader string }
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := json.Unmarshal(a.Body, &out); err != nil || a.Code != http.StatusOK {
		return systems.Status{}, fmt.Errorf("%d: %w: %.200s", a.Code, err, a.Body)
	}
	s := systems.Status{Loose: true}
	for _, account := range out.Accounts {
		for _, one := range account.Streams {
			s.Leads = s.Leads || one.Name == stream && one.Cluster.Leader == node
		}
	}
	return s, nil
}

func (m monitor) Close() {
	for _, c := range m {
		c.Close()
	}
}
