package etcd

import (
	"context"
	"net/http"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/web"
)

type monitor map[string]*web.Client

// Monitor implements systems.Deployed.
func (System) Monitor(addresses map[string]string) systems.Monitor {
	return monitor(web.Each(addresses))
}

// Status asks the node's maintenance service. It reads leader and term one after the other, so that a node that has just lost its leadership can
// name itself with the next term.
func (m monitor) Status(ctx context.Context, node string) (systems.Status, error) {
	out, err := status(ctx, m[node])
	return systems.Status{Leads: err == nil && out.Leader != 0 && out.Leader == out.Header.MemberID, Term: out.Term, Commit: out.Index, Applied: out.Applied, Loose: true}, err
}

// statusResponse is what the maintenance service says of a node.
type statusResponse struct {
	Header  header `json:"header"`
	Leader  uint64 `json:"leader,string"`
	Term    uint64 `json:"raftTerm,string"`
	Index   uint64 `json:"raftIndex,string"`
	Applied uint64 `json:"raftAppliedIndex,string"`
}

func status(ctx context.Context, c *web.Client) (out statusResponse, err error) {
	a, err := c.JSON(ctx, http.MethodPost, "/v3/maintenance/status", struct{}{}, &out)
	if err == nil {
		err = refusal(a)
	}
	return out, err
}

func (m monitor) Close() {
	for _, c := range m {
		c.Close()
	}
}
