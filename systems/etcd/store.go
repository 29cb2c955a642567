package etcd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
	"github.com/ordeal-dev/ordeal/systems/web"
)

// store asks one node. It implements cells.Store.
type store struct {
	web          *web.Client
	serializable bool
}

func newStore(address string, serializable bool) *store {
	return &store{web: web.New(address), serializable: serializable}
}

func (s *store) Close() { s.web.Close() }

// The gateway's JSON: bytes are base64, 64-bit numbers are strings, and zero values are left out.

type keyValue struct {
	Value []byte `json:"value"`
}

type header struct {
	MemberID uint64 `json:"member_id,string"`
	Revision uint64 `json:"revision,string"`
}

type rangeRequest struct {
	Key          []byte `json:"key"`
	Serializable bool   `json:"serializable,omitempty"`
}

type rangeResponse struct {
	Header header     `json:"header"`
	KVs    []keyValue `json:"kvs"`
}

type putRequest struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

type compare struct {
	Key     []byte  `json:"key"`
	Target  string  `json:"target"`
	Result  string  `json:"result"`
	Value   []byte  `json:"value,omitempty"`
	Version *string `json:"version,omitempty"`
}

type requestOp struct {
	Range *rangeRequest `json:"requestRange,omitempty"`
	Put   *putRequest   `json:"requestPut,omitempty"`
}

type txnRequest struct {
	Compare []compare   `json:"compare"`
	Success []requestOp `json:"success"`
	Failure []requestOp `json:"failure"`
}

type txnResponse struct {
	Header    header       `json:"header"`
	Succeeded bool         `json:"succeeded"`
	Responses []responseOp `json:"responses"`
}

// responseOp is called by either of its names, depending on the gateway's version.
type responseOp struct {
	Range  *rangeResponse `json:"response_range"`
	Range2 *rangeResponse `json:"responseRange"`
}

func (r responseOp) read() *rangeResponse { return cmp.Or(r.Range, r.Range2) }

func (r rangeResponse) cell() cells.Cell {
	c := cells.Cell{Found: len(r.KVs) > 0, Index: r.Header.Revision}
	if c.Found {
		c.Text = string(r.KVs[0].Value)
	}
	return c
}

// Get implements cells.Store. The index of a read is the store's revision that it saw.
func (s *store) Get(ctx context.Context, key string) (cells.Cell, error) {
	var out rangeResponse
	err := s.call(ctx, "/v3/kv/range", rangeRequest{[]byte(key), s.serializable}, &out)
	return out.cell(), err
}

// Put implements cells.Store.
func (s *store) Put(ctx context.Context, key, text string) error {
	var out struct{ Header header }
	return s.call(ctx, "/v3/kv/put", putRequest{[]byte(key), []byte(text)}, &out)
}

// CompareAndSet implements cells.Store, as one transaction that reads the key where it does not set it.
func (s *store) CompareAndSet(ctx context.Context, key string, expected cells.Cell, text string) (cells.Swap, error) {
	holds := compare{Key: []byte(key), Target: "VALUE", Result: "EQUAL", Value: []byte(expected.Text)}
	if !expected.Found {
		never := "0"
		holds = compare{Key: []byte(key), Target: "VERSION", Result: "EQUAL", Version: &never}
	}
	var out txnResponse
	err := s.call(ctx, "/v3/kv/txn", txnRequest{
		Compare: []compare{holds},
		Success: []requestOp{{Put: &putRequest{[]byte(key), []byte(text)}}},
		Failure: []requestOp{{Range: &rangeRequest{Key: []byte(key)}}},
	}, &out)
	switch {
	case err != nil:
		return cells.Swap{}, err
	case out.Succeeded:
		return cells.Swap{Set: true, Seen: cells.Cell{Index: out.Header.Revision}, Known: true}, nil
	case len(out.Responses) != 1 || out.Responses[0].read() == nil:
		return cells.Swap{}, fmt.Errorf("a transaction that did not set answers with no read")
	}
	seen := out.Responses[0].read().cell()
	seen.Index = out.Header.Revision
	return cells.Swap{Seen: seen, Known: true}, nil
}

func (s *store) call(ctx context.Context, path string, in, out any) error {
	a, err := s.web.JSON(ctx, http.MethodPost, path, in, out)
	if err != nil {
		return err
	}
	return refusal(a)
}

// refusals are the errors that etcd gives before a request is proposed: it surely has no effect. A request that timed out, whose leader changed, or
// that a stopping server let go may have been proposed, and is none of these.
var refusals = []string{
	"etcdserver: no leader",         // asked before it is proposed, where the client wants one
	"etcdserver: too many requests", // the limit on what is proposed and not applied
	"etcdserver: request is too large",
	"etcdserver: mvcc: database space exceeded", // looked at before and again when it is applied: either way nothing is written
	"etcdserver: key is not provided",
	"etcdserver: duplicate key given in txn request",
	"etcdserver: too many operations in txn request",
}

// refusal is the error that an answer tells of; nil for a 200.
func refusal(a web.Answer) error {
	if a.Code == http.StatusOK {
		return nil
	}
	var told struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	text := strings.TrimSpace(string(a.Body))
	if json.Unmarshal(a.Body, &told) == nil && told.Message+told.Error != "" {
		if text = told.Message; text == "" {
			text = told.Error
		}
	}
	for _, r := range refusals {
		if text == r {
			return systems.Definitely("%s", text)
		}
	}
	return fmt.Errorf("%d: %s", a.Code, text)
}
