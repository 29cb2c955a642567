package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
)

// The bucket, and the stream behind it, as NATS's own clients call them.
const (
	stream = "KV_ordeal"
	prefix = "$KV.ordeal."
)

// store asks one node. It implements cells.Store.
type store struct {
	address  string
	replicas int
	direct   bool
	made     bool // the stream is there
	conn     *connection
}

func (s *store) Close() { s.drop() }

func (s *store) drop() {
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
}

// apiError is what JetStream says of a request that it refuses.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%d (%d): %s", e.Code, e.ErrCode, e.Description)
}

// Codes of JetStream's errors.
const (
	errNoMessage     = 10037
	errWrongSequence = 10071 // another write came before
	errWrongLast     = 10164 // the same, by its newer name
	errMessageSize   = 10054
	errStreamUsed    = 10058 // somebody else has made it
)

// neverDone are errors of requests that surely had no effect.
var neverDone = []int{errWrongSequence, errWrongLast, errMessageSize}

// Get implements cells.Store.
func (s *store) Get(ctx context.Context, key string) (cells.Cell, error) {
	cell, _, err := s.get(ctx, key, s.direct)
	return cell, err
}

// get gives the value and the message's sequence in the stream.
func (s *store) get(ctx context.Context, key string, direct bool) (cells.Cell, uint64, error) {
	if direct {
		return s.getDirect(ctx, key)
	}
	var out struct {
		Error   *apiError `json:"error"`
		Message struct {
			Seq  uint64 `json:"seq"`
			Data []byte `json:"data"`
		} `json:"message"`
	}
	question, err := json.Marshal(map[string]string{"last_by_subj": prefix + key})
	if err != nil {
		return cells.Cell{}, 0, err
	}
	m, err := s.request(ctx, "$JS.API.STREAM.MSG.GET."+stream, "", question)
	if err == nil {
		err = json.Unmarshal(m.data, &out)
	}
	switch {
	case err != nil:
		return cells.Cell{}, 0, err
	case out.Error != nil && out.Error.ErrCode == errNoMessage:
		return cells.Cell{}, 0, nil
	case out.Error != nil:
		return cells.Cell{}, 0, out.Error
	case out.Message.Seq == 0:
		return cells.Cell{}, 0, fmt.Errorf("an answer without a message: %.200s", m.data)
	}
	return cells.Cell{Text: string(out.Message.Data), Found: true}, out.Message.Seq, nil
}

func (s *store) getDirect(ctx context.Context, key string) (cells.Cell, uint64, error) {
	m, err := s.request(ctx, "$JS.API.DIRECT.GET."+stream+"."+prefix+key, "", nil)
	if err != nil {
		return cells.Cell{}, 0, err
	}
	if m.status == 404 {
		return cells.Cell{}, 0, nil
	}
	seq, err := strconv.ParseUint(m.header.Get("Nats-Sequence"), 10, 64)
	if err != nil || m.status != 0 {
		return cells.Cell{}, 0, fmt.Errorf("a direct get answers with status %d and %v", m.status, m.header)
	}
	return cells.Cell{Text: string(m.data), Found: true}, seq, nil
}

// Put implements cells.Store.
func (s *store) Put(ctx context.Context, key, text string) error {
	return s.publish(ctx, key, "", text)
}

// CompareAndSet reads at the leader, and writes if nothing was written to the key since. What was read may be old, so that it says nothing by itself.
func (s *store) CompareAndSet(ctx context.Context, key string, expected cells.Cell, text string) (cells.Swap, error) {
	cell, seq, err := s.get(ctx, key, false)
	if err != nil {
		return cells.Swap{}, &systems.Error{Definite: true, Err: err} // it has only looked
	}
	if cell.Found != expected.Found || cell.Text != expected.Text {
		return cells.Swap{}, nil
	}
	err = s.publish(ctx, key, fmt.Sprintf("Nats-Expected-Last-Subject-Sequence: %d", seq), text)
	var refused *apiError
	if errors.As(err, &refused) && (refused.ErrCode == errWrongSequence || refused.ErrCode == errWrongLast) {
		return cells.Swap{}, nil
	}
	return cells.Swap{Set: err == nil, Seen: cell, Known: err == nil}, err
}

func (s *store) publish(ctx context.Context, key, header, text string) error {
	m, err := s.request(ctx, prefix+key, header, []byte(text))
	if err != nil {
		return err
	}
	var ack struct {
		Error  *apiError `json:"error"`
		Stream string    `json:"stream"`
		Seq    uint64    `json:"seq"`
	}
	switch err := json.Unmarshal(m.data, &ack); {
	case err != nil:
		return fmt.Errorf("the answer is no acknowledgement: %w: %.200s", err, m.data)
	case ack.Error != nil:
		return &systems.Error{Definite: slices.Contains(neverDone, ack.Error.ErrCode), Err: ack.Error}
	case ack.Stream != stream || ack.Seq == 0:
		return fmt.Errorf("the answer is no acknowledgement: %.200s", m.data)
	}
	return nil
}

// request asks the node, over a new connection where the old one is of no more use, once the stream is there.
func (s *store) request(ctx context.Context, subject, header string, data []byte) (message, error) {
	if err := s.connect(ctx); err != nil {
		return message{}, err
	}
	m, err := s.conn.request(ctx, subject, header, data)
	if err != nil {
		s.drop()
		return m, err
	}
	if m.status == noResponders {
		return m, systems.Definitely("nobody listens to %s: the stream has no leader that this node knows of", subject)
	}
	return m, nil
}

// connect makes the connection, and the stream where this client has not seen it yet. All its errors are definite.
func (s *store) connect(ctx context.Context) error {
	if s.conn == nil {
		conn, err := dial(ctx, s.address)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	if s.made {
		return nil
	}
	if err := s.make(ctx); err != nil {
		s.drop()
		return &systems.Error{Definite: true, Err: err}
	}
	s.made = true
	return nil
}

// make makes the stream, as NATS's own clients make a bucket. One that is there already, made the same way, is as good.
func (s *store) make(ctx context.Context) error {
	config, err := json.Marshal(map[string]any{"name": stream, "subjects": []string{prefix + ">"}, "retention": "limits", "storage": "file", "discard": "new",
		"max_msgs_per_subject": 1, "num_replicas": s.replicas, "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1,
		"deny_delete": true, "allow_rollup_hdrs": true, "allow_direct": true})
	if err != nil {
		return err
	}
	m, err := s.conn.request(ctx, "$JS.API.STREAM.CREATE."+stream, "", config)
	if err != nil {
		return err
	}
	var out struct {
		Error *apiError `json:"error"`
	}
	if m.status == noResponders {
		return errors.New("JetStream is not there yet")
	}
	if err := json.Unmarshal(m.data, &out); err != nil {
		return fmt.Errorf("making the stream: %w: %.200s", err, m.data)
	}
	if out.Error != nil && out.Error.ErrCode != errStreamUsed {
		return fmt.Errorf("making the stream: %w", out.Error)
	}
	return nil
}
