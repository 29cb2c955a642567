package framed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Many requests share a connection to the node that leads; each gets its own answer, and all fail when the connection ends.
func TestRequestsAndAnswers(t *testing.T) {
	listen := func(h Handler) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		go Serve(l, h)
		return l
	}
	follower := listen(func(byte, string, []byte) ([]byte, error) { return nil, ErrNotLeader })
	held := make(chan struct{})
	var mu sync.Mutex
	stored := map[string]string{}
	leader := listen(func(op byte, key string, value []byte) ([]byte, error) {
		switch {
		case key == "bad":
			return nil, errors.New("bad key")
		case key == "held":
			<-held
		case op == Put:
			mu.Lock()
			stored[key] = string(value)
			mu.Unlock()
		}
		return nil, nil
	})
	c, err := Open([]string{follower.Addr().String(), leader.Addr().String()})
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			if err := c.Put(t.Context(), fmt.Sprint(i), fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
			if err := c.Get(t.Context(), "bad"); err == nil || err.Error() != "bad key" {
				t.Errorf("%v", err)
			}
		})
	}
	group.Wait()
	require.Len(t, stored, 100)
	require.Equal(t, "42", stored["42"])

	lost := make(chan error)
	go func() { lost <- c.Get(context.Background(), "held") }()
	require.NoError(t, c.Close())
	require.Error(t, <-lost)
	close(held)
	require.Error(t, c.Get(context.Background(), "later"))
}
