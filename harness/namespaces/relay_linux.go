package namespaces

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// relayLimit bounds the connect to a node. It is long: what is kept from a node by a packet filter is to wait as it would without a relay.
const relayLimit = 30 * time.Second

// relay carries what is accepted to the address, until the listener is closed.
func relay(l net.Listener, to string) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // Descriptors are short, or the dialler left the queue.
			continue
		}
		go carry(conn.(*net.TCPConn), to)
	}
}

// carry carries a connection from its acceptance to its end. A node that takes none is told to the dialler by a reset.
func carry(near *net.TCPConn, to string) {
	ctx, cancel := context.WithTimeout(context.Background(), relayLimit)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", to)
	cancel()
	if err != nil {
		reset(near)
		return
	}
	far := conn.(*net.TCPConn)
	var both sync.WaitGroup
	both.Go(func() { pass(near, far) })
	both.Go(func() { pass(far, near) })
	both.Wait()
	_ = near.Close()
	_ = far.Close()
}

// pass copies one direction. Its end ends the other side's stream; an error, which a reset is, resets both.
func pass(from, to *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		reset(from)
		reset(to)
		return
	}
	_ = to.CloseWrite()
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
