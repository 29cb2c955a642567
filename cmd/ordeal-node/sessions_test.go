package main

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Clients with sessions ask again until they are answered, over kills, elections, restarts and snapshots, and every addition
// counts once (R21).
func TestR21RetriedCommandsCountOnce(t *testing.T) {
	const clients, additions = 4, 150
	c := startCluster(t, 3, "--snapshot-entries", "40")
	add := kv.Txn{Ops: []kv.Op{{Kind: kv.Add, Key: "n", Delta: 1}}}
	var adding sync.WaitGroup
	stop := make(chan struct{})
	for i := range clients {
		k := c.open(client.Options{Home: raft.NodeID(i%3 + 1), Sessions: true, AttemptTimeout: 200 * time.Millisecond})
		defer k.Close()
		adding.Go(func() {
			for range additions {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if _, err := k.Do(ctx, add, wire.ReadIndex); err != nil {
					t.Errorf("an addition was not answered: %v", err)
				}
				cancel()
			}
		})
	}
	go func() { adding.Wait(); close(stop) }()
	kills := 0
	for done := false; !done; {
		victim := c.nodes[raft.NodeID(rand.IntN(3)+1)]
		victim.kill()
		kills++
		victim.start()
		served := func() bool { s, ok := victim.status(); return ok && s.Leader != 0 }
		eventually(t, served, "the node takes part again")
		select {
		case <-stop:
			done = true
		default:
		}
	}
	reader := c.open(client.Options{})
	defer reader.Close()
	eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r, err := reader.Do(ctx, kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: "n"}}}, wire.ReadIndex)
		if err != nil {
			return false
		}
		require.Equal(t, strconv.Itoa(clients*additions), string(r.Results[0].Value))
		return true
	}, "the sum is read")
	t.Logf("%d kills", kills)
}
