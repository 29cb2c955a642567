package nats

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/systems"
)

// connection speaks NATS's protocol with one server, one request at a time.
type connection struct {
	conn  net.Conn
	in    *bufio.Reader
	inbox string
	sent  uint64
}

// message is an answer.
type message struct {
	status int // of its headers; 0: none
	header textproto.MIMEHeader
	data   []byte
}

const noResponders = 503

// mostBytes bounds a message.
const mostBytes = 64 << 20

// dial connects and subscribes to the answers. An error is definite: no request was sent.
func dial(ctx context.Context, address string) (*connection, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, &systems.Error{Definite: true, Err: err}
	}
	c := &connection{conn: conn, in: bufio.NewReader(conn), inbox: "_INBOX." + rand.Text()}
	stop := c.bound(ctx)
	defer stop()
	_, err = fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"lang\":\"go\",\"version\":\"1\",\"protocol\":1}\r\nSUB %s.* 1\r\nPING\r\n", c.inbox)
	for pong := false; err == nil && !pong; {
		var line string
		line, err = c.line()
		pong = err == nil && line == "PONG"
		if err == nil && strings.HasPrefix(line, "-ERR") {
			err = errors.New(line)
		}
	}
	if err != nil {
		c.close()
		return nil, &systems.Error{Definite: true, Err: err}
	}
	return c, nil
}

func (c *connection) close() { _ = c.conn.Close() } // there is nothing to be done where it fails

// bound ends what waits on the connection when ctx ends.
func (c *connection) bound(ctx context.Context) (stop func() bool) {
	deadline, _ := ctx.Deadline()
	_ = c.conn.SetDeadline(deadline) // a closed one fails at its next use
	return context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
}

func (c *connection) line() (string, error) {
	line, err := c.in.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// request sends data with headers to a subject and waits for the answer. After an error the connection is of no more use.
func (c *connection) request(ctx context.Context, subject, header string, data []byte) (message, error) {
	stop := c.bound(ctx)
	defer stop()
	c.sent++
	reply := c.inbox + "." + strconv.FormatUint(c.sent, 10)
	var b bytes.Buffer
	if header == "" {
		fmt.Fprintf(&b, "PUB %s %s %d\r\n", subject, reply, len(data))
	} else {
		header = "NATS/1.0\r\n" + header + "\r\n\r\n"
		fmt.Fprintf(&b, "HPUB %s %s %d %d\r\n%s", subject, reply, len(header), len(header)+len(data), header)
	}
	b.Write(data)
	b.WriteString("\r\n")
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		return message{}, err
	}
	for {
		subject, m, err := c.next()
		if err != nil || subject == reply {
			return m, err
		}
	}
}

// next reads up to the next message. The server's own questions are answered.
func (c *connection) next() (subject string, m message, err error) {
	for {
		line, err := c.line()
		if err != nil {
			return "", m, err
		}
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			return "", m, errors.New("an empty line is no message of NATS")
		case words[0] == "PING":
			if _, err := io.WriteString(c.conn, "PONG\r\n"); err != nil {
				return "", m, err
			}
		case words[0] == "-ERR":
			return "", m, errors.New(line)
		case words[0] == "MSG" && len(words) >= 4, words[0] == "HMSG" && len(words) >= 5:
			m, err = c.message(words)
			return words[1], m, err
		case words[0] != "PONG" && words[0] != "+OK" && words[0] != "INFO":
			return "", m, fmt.Errorf("what came is no message of NATS: %.100q", line)
		}
	}
}

// message reads what the words of a MSG or HMSG announce: SUBJECT SID [REPLY] [HEADER-BYTES] BYTES.
func (c *connection) message(words []string) (m message, err error) {
	total, err := strconv.Atoi(words[len(words)-1])
	headers := 0
	if err == nil && words[0] == "HMSG" {
		headers, err = strconv.Atoi(words[len(words)-2])
	}
	if err != nil || total < 0 || total > mostBytes || headers < 0 || headers > total {
		return m, fmt.Errorf("what came is no message of NATS: %v", words)
	}
	text := make([]byte, total+2)
	if _, err := io.ReadFull(c.in, text); err != nil {
		return m, err
	}
	m.data = text[headers:total]
	if headers == 0 {
		return m, nil
	}
	in := textproto.NewReader(bufio.NewReader(bytes.NewReader(text[:headers])))
	first, err := in.ReadLine()
	if err != nil {
		return m, err
	}
	if words := strings.Fields(first); len(words) > 1 {
		m.status, _ = strconv.Atoi(words[1])
	}
	m.header, err = in.ReadMIMEHeader()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return m, err
}
