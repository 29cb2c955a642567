package wal

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// TestTranscripts runs the stories in testdata/. Commands:
//
//	open                           shows what is recovered
//	append [term=N vote=N] and a line "index term data" an entry
//	sync, compact index=N term=N, reset index=N term=N, close
//	kill                           the process ends
//	crash seed=N                   the power fails
//	flip file=NAME offset=N        a bit decays
//	remove file=NAME               somebody deletes a file
//	capacity bytes=N               the disk is that large
//	files                          what is in the folder
//	records                        what is in the segments
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{disk: vfs.NewMem()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.do(t, d) })
	})
}

type story struct {
	disk *vfs.Mem
	log  *Log
}

func (s *story) do(t *testing.T, d *datadriven.TestData) string {
	number := func(name string) (n uint64) {
		d.MaybeScanArgs(t, name, &n)
		return n
	}
	file := func() (name string) {
		d.ScanArgs(t, "file", &name)
		return dir + "/" + name
	}
	var err error
	switch d.Cmd {
	case "open":
		return s.open()
	case "append":
		err = s.log.Append(parseBatch(t, d, raft.HardState{Term: number("term"), Vote: raft.NodeID(number("vote"))}))
	case "sync":
		err = s.log.Sync()
	case "compact":
		err = s.log.Compact(number("index"), number("term"))
	case "reset":
		err = s.log.Reset(number("index"), number("term"))
	case "close":
		err = s.log.Close()
	case "kill":
		s.disk.Kill()
	case "crash":
		s.disk.Crash(rand.New(rand.NewPCG(number("seed"), 0)))
	case "flip":
		err = s.disk.Flip(file(), int64(number("offset")), 1)
	case "remove":
		err = s.disk.Remove(file())
	case "capacity":
		s.disk.SetCapacity(int64(number("bytes")))
	case "files":
		names, err := s.disk.List(dir)
		require.NoError(t, err)
		return strings.Join(names, "\n")
	case "records":
		return s.records(t)
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func parseBatch(t *testing.T, d *datadriven.TestData, hard raft.HardState) Batch {
	var b Batch
	if hard.Term > 0 {
		b.HardState = &hard
	}
	for line := range strings.Lines(d.Input) {
		var e raft.Entry
		var data string
		_, err := fmt.Sscan(line, &e.Index, &e.Term, &data)
		require.NoError(t, err)
		e.Data = []byte(data)
		b.Entries = append(b.Entries, e)
	}
	return b
}

func (s *story) open() string {
	l, r, err := Open(s.disk, dir, small)
	if err != nil {
		return err.Error()
	}
	s.log = l
	var b strings.Builder
	fmt.Fprintf(&b, "term %d, vote %d, after %d/%d\n", r.HardState.Term, r.HardState.Vote, r.Snapshot.Index, r.Snapshot.Term)
	for _, e := range r.Entries {
		fmt.Fprintf(&b, "%d %d %.20s\n", e.Index, e.Term, e.Data)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	return b.String()
}

func (s *story) records(t *testing.T) string {
	kinds := []string{"?", "start", "batch", "compact", "reset", "mark", "seal"}
	names, err := s.disk.List(dir)
	require.NoError(t, err)
	var b strings.Builder
	for _, name := range names {
		sequence, ok := segmentSequence(name)
		if !ok {
			continue
		}
		data, err := vfs.ReadFile(s.disk, dir+"/"+name)
		require.NoError(t, err)
		h, err := decodeHeader(data)
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s: the one before ends at %d\n", name, h.prevEnd)
		for at := int64(headerSize); ; {
			r, err := parseRecord(data, at, sequence)
			if err != nil {
				break
			}
			fmt.Fprintf(&b, "  %d: %s, %d bytes, synced to %d\n", at, kinds[r.kind], len(r.payload), r.synced)
			at = r.end
		}
	}
	return b.String()
}
