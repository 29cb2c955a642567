package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/node/wal"
	"github.com/ordeal-dev/ordeal/raft"
)

// A log takes its snapshot's place in two durable writes. Wherever power is lost amid them, the next start goes on from there.
func TestLogIsAlignedWhereverThatWasCutOff(t *testing.T) {
	meta := raft.SnapshotMeta{LastIncludedIndex: 15, LastIncludedTerm: 2}
	for _, test := range []struct {
		name  string
		write func(*wal.Log) error // what was done before the power was lost
	}{
		{"before the first", func(*wal.Log) error { return nil }},
		{"between them", func(l *wal.Log) error { return l.Reset(15, 2) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			fs := vfs.NewMem()
			open := func() (*wal.Log, wal.Recovered) {
				log, r, err := wal.Open(fs, "wal", wal.Options{ClusterID: 1, NodeID: 1})
				require.NoError(t, err)
				return log, r
			}
			log, _ := open()
			require.NoError(t, log.Append(wal.Batch{HardState: &raft.HardState{Term: 1, Vote: 3}, Entries: []raft.Entry{{Index: 1, Term: 1}}}))
			require.NoError(t, log.Sync())
			require.NoError(t, test.write(log))
			require.NoError(t, log.Close())

			log, r := open()
			aligned, err := alignLog(log, r, meta)
			require.NoError(t, err)
			want := wal.Recovered{HardState: raft.HardState{Term: 2}, Snapshot: wal.Position{Index: 15, Term: 2}}
			require.Equal(t, want, aligned)
			require.NoError(t, log.Close())

			log, r = open() // and it is on disk
			defer log.Close()
			require.Equal(t, want.HardState, r.HardState)
			require.Equal(t, want.Snapshot, r.Snapshot)
		})
	}
}
