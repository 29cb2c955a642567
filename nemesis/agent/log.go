package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// childLog keeps the newest output of the child in two files of half the limit each: when the newer is full it takes
// the older one's place. So at least half the limit is always there, and the newest line is never lost.
type childLog struct {
	mu      sync.Mutex
	current string
	older   string
	half    int64
	file    *os.File
	size    int64
}

// minLogLimit keeps a single write of the copying buffer within one file.
const minLogLimit = 128 << 10

func openChildLog(dir string, limit int64) (*childLog, error) {
	if limit < minLogLimit {
		return nil, fmt.Errorf("log limit of %d bytes is too small: give %d or more", limit, minLogLimit)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l := &childLog{
		current: filepath.Join(dir, "node.log"),
		older:   filepath.Join(dir, "node.log.1"),
		half:    limit / 2,
	}
	return l, l.open()
}

func (l *childLog) open() error {
	f, err := os.OpenFile(l.current, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}

func (l *childLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(p)) > l.half {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	if err != nil { // a full disk: the older half makes room for the newest output
		if os.Remove(l.older) == nil {
			m, again := l.file.Write(p[n:])
			l.size += int64(m)
			return n + m, again
		}
	}
	return n, err
}

func (l *childLog) rotate() error {
	if err := os.Rename(l.current, l.older); err != nil {
		return err
	}
	l.file.Close()
	return l.open()
}

// snapshot gives what the log holds now, oldest first. What is written later is not in it, and a rotation meanwhile
// takes nothing away from it.
func (l *childLog) snapshot() (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &logSnapshot{}
	for _, name := range []string{l.older, l.current} {
		f, err := os.Open(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			s.Close()
			return nil, err
		}
		s.files = append(s.files, f)
		info, err := f.Stat()
		if err != nil {
			s.Close()
			return nil, err
		}
		s.parts = append(s.parts, io.NewSectionReader(f, 0, info.Size()))
	}
	s.Reader = io.MultiReader(s.parts...)
	return s, nil
}

func (l *childLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

type logSnapshot struct {
	io.Reader
	parts []io.Reader
	files []*os.File
}

func (s *logSnapshot) Close() error {
	for _, f := range s.files {
		f.Close()
	}
	return nil
}
