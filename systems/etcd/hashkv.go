package etcd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"
)

// hash is what HashKV tells of all that was written since a compaction.
type hash struct {
	hash      uint64
	compacted int64
}

// Numbers of fields of etcdserverpb.HashKVRequest and HashKVResponse.
const (
	askedRevision   = 1
	fieldHash       = 2
	fieldCompaction = 3
)

// hashKV asks a node for the hash at a revision, over gRPC: gateways before 3.5.17 or so answer with the hash of the file instead.
func hashKV(ctx context.Context, address string, revision uint64) (hash, error) {
	question := protowire.AppendVarint(protowire.AppendTag(nil, askedRevision, protowire.VarintType), revision)
	answer, err := call(ctx, address, "/etcdserverpb.Maintenance/HashKV", question)
	if err != nil {
		return hash{}, err
	}
	return parseHash(answer)
}

func parseHash(answer []byte) (h hash, err error) {
	for len(answer) > 0 {
		field, kind, n := protowire.ConsumeTag(answer)
		if n < 0 {
			return h, fmt.Errorf("the answer is no HashKV: %w", protowire.ParseError(n))
		}
		answer = answer[n:]
		value := uint64(0)
		if kind == protowire.VarintType {
			value, n = protowire.ConsumeVarint(answer)
		} else {
			n = protowire.ConsumeFieldValue(field, kind, answer)
		}
		if n < 0 {
			return h, fmt.Errorf("the answer is no HashKV: %w", protowire.ParseError(n))
		}
		answer = answer[n:]
		switch field {
		case fieldHash:
			h.hash = value
		case fieldCompaction:
			h.compacted = int64(value)
		}
	}
	if h.hash == 0 {
		return h, errors.New("the answer is no HashKV: it has no hash")
	}
	return h, nil
}

// A gRPC message has a byte before it that says whether it is compressed, and its length.
const (
	prefixBytes = 5
	mostBytes   = 1 << 20
)

// call makes one call of gRPC without encryption: one message there, one back.
func call(ctx context.Context, address, method string, message []byte) ([]byte, error) {
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+method, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostBytes))
	if err != nil {
		return nil, err
	}
	told := func(name string) string { return cmp.Or(response.Trailer.Get(name), response.Header.Get(name)) } // the latter where there is no message
	switch code := told("Grpc-Status"); {
	case code != "0":
		return nil, fmt.Errorf("%s: gRPC status %q of HTTP %d: %s", method, code, response.StatusCode, told("Grpc-Message"))
	case len(answer) < prefixBytes || answer[0] != 0 || uint64(binary.BigEndian.Uint32(answer[1:])) != uint64(len(answer)-prefixBytes):
		return nil, fmt.Errorf("%s: the answer of %d bytes is not one message", method, len(answer))
	}
	return answer[prefixBytes:], nil
}
