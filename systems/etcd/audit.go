package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/web"
)

var _ systems.Audited = System{}

// standing is how long a node is at one place until it counts as one that stands still.
const standing = 200 * time.Millisecond

// Audit holds the nodes against each other. At the lowest revision that one of them has come to, all must have the same hash of all that was ever
// written (HashKV); where they have not, the keys tell what differs. Nodes that have applied equally much must be at one revision: one
// that has passed over the last writes has nothing else that would show it.
func (System) Audit(ctx context.Context, addresses map[string]string) (differences []string, compared string, err error) {
	nodes := slices.Sorted(maps.Keys(addresses))
	clients := web.Each(addresses)
	defer monitor(clients).Close()
	places, err := stand(ctx, clients, nodes)
	if err != nil {
		return nil, "", err
	}
	lowest := places[nodes[0]].revision
	for _, p := range places {
		lowest = min(lowest, p.revision)
	}
	hashes := map[string]hash{}
	for _, node := range nodes {
		if hashes[node], err = hashKV(ctx, addresses[node], lowest); err != nil {
			return nil, "", fmt.Errorf("%s: %w", node, err)
		}
	}
	first := hashes[nodes[0]]
	compared = fmt.Sprintf("HashKV %d at revision %d, compacted at %d", first.hash, lowest, first.compacted)
	for _, node := range nodes[1:] {
		has := hashes[node]
		if has.compacted != first.compacted {
			return nil, "", fmt.Errorf("%s is compacted at %d and %s at %d: their hashes cannot be compared", nodes[0], first.compacted, node, has.compacted)
		}
		if has.hash == first.hash {
			continue
		}
		found, err := explain(ctx, lowest, nodes[0], clients[nodes[0]], node, clients[node])
		if err != nil {
			return nil, "", err
		}
		differences = append(append(differences, fmt.Sprintf("at revision %d HashKV of %s is %d, and of %s %d", lowest, nodes[0], first.hash, node, has.hash)), found...)
	}
	apart, err := places.differ(nodes) // how many writes were passed over, where that can be told
	if len(differences) > 0 {
		err = nil
	}
	return append(apart, differences...), compared, err
}

// place is how far a node has come.
type place struct{ revision, applied uint64 }

type places map[string]place

// stand tells where nodes stand that do not move any more. Revision and index are read one after the other, so that one look would not do.
func stand(ctx context.Context, clients map[string]*web.Client, nodes []string) (places, error) {
	var before places
	for {
		now := places{}
		for _, node := range nodes {
			out, err := status(ctx, clients[node])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", node, err)
			}
			if out.Header.Revision == 0 {
				return nil, fmt.Errorf("%s does not tell its revision", node)
			}
			now[node] = place{out.Header.Revision, out.Applied}
		}
		if maps.Equal(before, now) {
			return now, nil
		}
		before = now
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the nodes do not stand still: %w", ctx.Err())
		case <-time.After(standing):
		}
	}
}

// differ tells which nodes are at another revision though they have applied as much; an error says that they have not.
func (p places) differ(nodes []string) (differences []string, err error) {
	first := p[nodes[0]]
	for _, node := range nodes[1:] {
		switch at := p[node]; {
		case at.applied != first.applied:
			return nil, fmt.Errorf("%s has applied entries up to %d, and %s up to %d", nodes[0], first.applied, node, at.applied)
		case at.revision != first.revision:
			differences = append(differences, fmt.Sprintf("having applied all entries up to %d, %s is at revision %d, and %s at %d",
				first.applied, nodes[0], first.revision, node, at.revision))
		}
	}
	return differences, nil
}

// held is what a node holds of a key.
type held struct {
	value    string
	revision int64 // that wrote it
}

// explain tells in which keys two nodes differ whose hashes do.
func explain(ctx context.Context, revision uint64, a string, clientA *web.Client, b string, clientB *web.Client) ([]string, error) {
	hasA, err := holds(ctx, clientA, revision)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	hasB, err := holds(ctx, clientB, revision)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b, err)
	}
	return differ(revision, a, hasA, b, hasB), nil
}

// differ tells in which keys two nodes differ.
func differ(revision uint64, a string, hasA map[string]held, b string, hasB map[string]held) (differences []string) {
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

// holds reads all keys of a node itself at a revision.
func holds(ctx context.Context, c *web.Client, revision uint64) (map[string]held, error) {
	var out struct {
		Header header `json:"header"`
		KVs    []struct {
			Key      []byte `json:"key"`
			Value    []byte `json:"value"`
			Revision int64  `json:"mod_revision,string"`
			Newer    int64  `json:"modRevision,string"` // as later gateways call it
		} `json:"kvs"`
	}
	all := map[string]any{"key": []byte{0}, "range_end": []byte{0}, "serializable": true, "revision": strconv.FormatUint(revision, 10)}
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
	return has, err
}
