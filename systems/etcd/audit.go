package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/web"
)

var _ systems.Audited = System{}

// held is what a node holds of a key.
type held struct {
	value    string
	revision int64 // that wrote it
}

// Audit compares what every node has itself applied, at the lowest revision that one of them has come to.
func (System) Audit(ctx context.Context, addresses map[string]string) (differences []string, compared string, err error) {
	nodes := slices.Sorted(maps.Keys(addresses))
	clients := map[string]*web.Client{}
	for _, node := range nodes {
		clients[node] = web.New(addresses[node])
		defer clients[node].Close()
	}
	lowest := int64(0)
	for _, node := range nodes {
		_, revision, err := holds(ctx, clients[node], 0)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", node, err)
		}
		if lowest == 0 || revision < lowest {
			lowest = revision
		}
	}
	first := map[string]held{}
	for i, node := range nodes {
		has, _, err := holds(ctx, clients[node], lowest)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", node, err)
		}
		if i == 0 {
			first = has
			continue
		}
		differences = append(differences, differ(lowest, nodes[0], first, node, has)...)
	}
	return differences, fmt.Sprintf("%d keys at revision %d", len(first), lowest), nil
}

// differ tells in which keys two nodes differ.
func differ(revision int64, a string, hasA map[string]held, b string, hasB map[string]held) (differences []string) {
	keys := maps.Clone(hasA)
	maps.Copy(keys, hasB)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if hasA[key] != hasB[key] {
			differences = append(differences, fmt.Sprintf("at revision %d %s has %s of key %q, and %s has %s", revision, a, hasA[key], key, b, hasB[key]))
		}
	}
	return differences
}

func (h held) String() string {
	if h.revision == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q (written at %d)", h.value, h.revision)
}

// holds reads all keys of a node itself at a revision; 0: at its own, which is told.
func holds(ctx context.Context, c *web.Client, revision int64) (map[string]held, int64, error) {
	var out struct {
		Header struct {
			Revision int64 `json:"revision,string"`
		} `json:"header"`
		KVs []struct {
			Key      []byte `json:"key"`
			Value    []byte `json:"value"`
			Revision int64  `json:"mod_revision,string"`
			Newer    int64  `json:"modRevision,string"` // as later gateways call it
		} `json:"kvs"`
	}
	all := map[string]any{"key": []byte{0}, "range_end": []byte{0}, "serializable": true}
	if revision > 0 {
		all["revision"] = strconv.FormatInt(revision, 10)
	}
	a, err := c.JSON(ctx, http.MethodPost, "/v3/kv/range", all, &out)
	if err == nil {
		err = refusal(a)
	}
	if err == nil && out.Header.Revision == 0 {
		err = errors.New("it does not tell its revision")
	}
	has := map[string]held{}
	for _, kv := range out.KVs {
		has[string(kv.Key)] = held{string(kv.Value), max(kv.Revision, kv.Newer)}
	}
	return has, out.Header.Revision, err
}
