package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

// standardInput is the path that stands for the standard input.
const standardInput = "-"

// isStream tells paths that are read once, from beginning to end: the standard input, a pipe, a device.
func isStream(path string) bool {
	if path == standardInput {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// stream is a stream whose reads end with the time for them.
type stream struct {
	ctx context.Context
	f   *os.File
	off func() bool
}

func openStream(ctx context.Context, path string) (io.ReadCloser, error) {
	name := path
	if path == standardInput {
		name = "/dev/stdin"
	}
	f, err := os.Open(name)
	switch {
	case err != nil && path == standardInput: // such as a socket, which cannot be opened again
		f = os.Stdin
	case err != nil:
		return nil, fmt.Errorf("read a history: %w", err)
	}
	// What cannot be interrupted, a terminal, says so, and is read to its end.
	off := context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
	return &stream{ctx, f, off}, nil
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.f.Read(b)
	if err != nil && s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	return n, err
}

func (s *stream) Close() error {
	s.off()
	return s.f.Close()
}

// remedies say how a check gets what it lacked.
func remedies(v store.Verdict) (all []string) {
	if v.Verdict != checker.Unknown {
		return nil
	}
	var text strings.Builder
	for _, r := range v.Results {
		text.WriteString(r.Reason + "\n")
		for _, k := range r.Keys {
			text.WriteString(k.Reason + "\n")
		}
	}
	if strings.Contains(text.String(), " of memory") {
		all = append(all, "  to let it take more memory: --memory, such as --memory 8GiB")
	}
	switch reasons := text.String(); {
	case strings.Contains(reasons, "within the time for one key"):
		all = append(all, "  to let a key take longer: --key-timeout, such as --key-timeout 10m")
	case strings.Contains(reasons, " within "):
		all = append(all, "  to let it take longer: --timeout, such as --timeout 1h")
	}
	return all
}
