package ordeal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/raft"
	"github.com/ordeal-dev/ordeal/systems"
)

var _ systems.Administrator = System{}

const (
	statusPatience = 500 * time.Millisecond
	// changePatience is how long the answer to a change is waited for: it comes when the change is done, which takes as long as
	// a new voter takes to catch up. Without an answer the change is under way, if it was taken at all.
	changePatience = 500 * time.Millisecond
	maxAnswer      = 1 << 20 // bytes
)

// admin asks the nodes over HTTP.
type admin struct {
	ids       map[string]raft.NodeID
	addresses map[string]string
	http      *http.Client
}

// Administer implements systems.Administrator.
func (System) Administer(addresses map[string]string) (nemesis.Members, error) {
	a := &admin{ids: map[string]raft.NodeID{}, addresses: addresses,
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}} // nodes come and go
	for name := range addresses {
		id, err := nodeID(name)
		if err != nil {
			return nil, err
		}
		a.ids[name] = id
	}
	return a, nil
}

// Membership implements nemesis.Members.
func (a *admin) Membership(ctx context.Context, name string) (nemesis.Membership, error) {
	s, err := a.status(ctx, name)
	if err != nil {
		return nemesis.Membership{}, err
	}
	return nemesis.Membership{Leads: s.Role == raft.Leader.String(), Term: s.Term, Voters: nodeNames(s.Voters), Learners: nodeNames(s.Learners),
		Joint: len(s.Outgoing) > 0}, nil
}

func nodeNames(ids []raft.NodeID) []string {
	var names []string
	for _, id := range ids {
		names = append(names, nodeName(id))
	}
	return names
}

// ChangeMembers implements nemesis.Members. Nodes are added at the peer addresses that the leader knows of its flags; the others
// have flags of their own.
func (a *admin) ChangeMembers(ctx context.Context, add, remove []string) error {
	return a.onLeader(ctx, "/v1/members", func(leader node.StatusReport) (any, error) {
		q := node.MembersRequest{Add: map[string]string{}}
		for _, name := range add {
			id := a.ids[name]
			address := leader.Addresses[id]
			if address == "" {
				return nil, fmt.Errorf("n%d, which leads, was not told where %s is: start it with --peer %d=HOST:PORT", leader.ID, name, id)
			}
			q.Add[strconv.FormatUint(uint64(id), 10)] = address
		}
		for _, name := range remove {
			q.Remove = append(q.Remove, a.ids[name])
		}
		return q, nil
	})
}

// TransferLeadership implements nemesis.Members.
func (a *admin) TransferLeadership(ctx context.Context, to string) error {
	return a.onLeader(ctx, "/v1/transfer", func(node.StatusReport) (any, error) { return node.TransferRequest{To: a.ids[to]}, nil })
}

// onLeader has the leader of the latest term do something.
func (a *admin) onLeader(ctx context.Context, path string, request func(leader node.StatusReport) (any, error)) error {
	leader, err := a.leader(ctx)
	if err != nil {
		return err
	}
	body, err := request(leader)
	if err != nil {
		return err
	}
	name := nodeName(leader.ID)
	ctx, cancel := context.WithTimeout(ctx, changePatience)
	defer cancel()
	code, text, err := a.call(ctx, http.MethodPost, name, path, body)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil
	case err != nil:
		return fmt.Errorf("%s: no answer, it may take effect or not: %w", name, err)
	case code == http.StatusOK:
		return nil
	}
	return fmt.Errorf("%s: %s", name, refusal(text))
}

func refusal(text []byte) string {
	var r node.Refused
	if json.Unmarshal(text, &r) != nil || r.Error == "" {
		return string(bytes.TrimSpace(text))
	}
	return r.Error
}

func (a *admin) leader(ctx context.Context) (node.StatusReport, error) {
	var leader node.StatusReport
	for name := range a.addresses {
		s, err := a.status(ctx, name)
		if err == nil && s.Role == raft.Leader.String() && s.Term > leader.Term {
			leader = s
		}
	}
	if leader.ID == 0 {
		return leader, errors.New("no node says that it leads")
	}
	return leader, nil
}

func (a *admin) status(ctx context.Context, name string) (node.StatusReport, error) {
	var s node.StatusReport
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	code, text, err := a.call(ctx, http.MethodGet, name, "/status", nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%s: /status answers %d: %s", name, code, bytes.TrimSpace(text))
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

func (a *admin) call(ctx context.Context, method, name, path string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+a.addresses[name]+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, err
}
