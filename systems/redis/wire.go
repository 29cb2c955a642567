package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/systems"
)

// refusal is an error that the server answers with.
type refusal string

func (r refusal) Error() string { return string(r) }

// reply is an answer: a string, a number, an array, or nothing.
type reply struct {
	text  string
	none  bool
	array []reply
}

// mostReply bounds what is read for one answer.
const mostReply = 64 << 20

// connection speaks RESP2 with one server.
type connection struct {
	conn net.Conn
	in   *bufio.Reader
}

// dial connects. An error is definite: nothing was sent.
func dial(ctx context.Context, address string) (*connection, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, &systems.Error{Definite: true, Err: err}
	}
	return &connection{conn, bufio.NewReader(conn)}, nil
}

func (c *connection) close() { _ = c.conn.Close() } // there is nothing to be done where it fails

// do sends a command and reads its answer. After any error but a refusal the connection is of no more use.
func (c *connection) do(ctx context.Context, words ...string) (reply, error) {
	deadline, _ := ctx.Deadline()
	if err := c.conn.SetDeadline(deadline); err != nil {
		return reply{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(c.conn, b.String()); err != nil {
		return reply{}, err
	}
	return c.read(0)
}

func (c *connection) read(depth int) (reply, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return reply{}, err
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" || depth > 8 {
		return reply{}, errors.New("what came is no answer of Redis")
	}
	switch rest := line[1:]; line[0] {
	case '+', ':':
		return reply{text: rest}, nil
	case '-':
		return reply{}, refusal(rest)
	case '$', '*':
		n, err := strconv.Atoi(rest)
		if err != nil || n > mostReply {
			return reply{}, fmt.Errorf("what came is no answer of Redis: %.100q", line)
		}
		if n < 0 {
			return reply{none: true}, nil
		}
		if line[0] == '*' {
			return c.readArray(n, depth)
		}
		text := make([]byte, n+2)
		_, err = io.ReadFull(c.in, text)
		return reply{text: string(text[:n])}, err
	}
	return reply{}, fmt.Errorf("what came is no answer of Redis: %.100q", line)
}

func (c *connection) readArray(n, depth int) (reply, error) {
	var r reply
	for range n {
		one, err := c.read(depth + 1)
		var refused refusal
		if err != nil && !errors.As(err, &refused) {
			return r, err
		}
		r.array = append(r.array, one)
	}
	return r, nil
}
