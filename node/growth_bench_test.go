package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/snapshot"
	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/node/wal"
	"github.com/ordeal-dev/ordeal/raft"
)

// growthOptions are of a node alone with its data in dir.
func growthOptions(dir string) Options {
	return Options{ID: 1, ClusterID: "growth", Data: dir, FS: vfs.OS, Peers: map[raft.NodeID]string{1: "127.0.0.1:1"},
		Heartbeat: 100 * time.Millisecond, ElectionTimeout: time.Second}
}

// reopen is a restart up to where the node could serve.
func reopen(b *testing.B, o Options) *Engine {
	e, err := OpenEngine(o)
	require.NoError(b, err)
	require.NoError(b, e.Start(&scripted{}, 0, rand.New(rand.NewPCG(1, 1))))
	return e
}

// heap is what is in use, in MB.
func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse) / 1e6
}

// used is the processor time of this process so far. Beside the clock it tells a slow node from a busy machine.
func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bareWrite is how many bytes a second the disk takes of what a snapshot writes: pieces of 256 KiB, synced now and then.
func bareWrite(b *testing.B, dir string, size uint64) float64 {
	path := filepath.Join(dir, "bare")
	f, err := os.Create(path)
	require.NoError(b, err)
	began, piece := time.Now(), make([]byte, 256<<10)
	for at := 0; at < int(size); at += len(piece) {
		if at%vfs.SyncBytes == 0 {
			require.NoError(b, f.Sync())
		}
		_, err := f.Write(piece[:min(len(piece), int(size)-at)])
		require.NoError(b, err)
	}
	require.NoError(b, f.Sync())
	rate := float64(size) / time.Since(began).Seconds()
	require.NoError(b, errors.Join(f.Close(), os.Remove(path)))
	return rate
}

// How long a snapshot of a state takes, beside the bare disk, how long the driver waits for it, and how long a restart from it takes; MB are
// 10^6 bytes.
func BenchmarkGrowthState(b *testing.B) {
	for _, mb := range []int{1, 16, 256, 1024} {
		b.Run(fmt.Sprint(mb, "MiB"), func(b *testing.B) {
			machine := kv.NewMachine()
			const value = 256
			for i := range mb << 20 / (value + 16) {
				machine.Apply(uint64(i+1), kv.Command{Kind: kv.Transact, Txn: kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: fmt.Sprintf("%016d", i), Value: make([]byte, value)}}}})
			}
			meta := raft.SnapshotMeta{LastIncludedIndex: 1 << 30, LastIncludedTerm: 1, Configuration: raft.Configuration{Voters: []raft.NodeID{1}}}
			for b.Loop() {
				o, state := growthOptions(b.TempDir()), heap()
				began := time.Now()
				clone := machine.Clone()
				cloned := time.Since(began)
				store, _, err := snapshot.Open(o.FS, filepath.Join(o.Data, "snapshots"), clusterNumber(o.ClusterID), nil)
				require.NoError(b, err)
				began = time.Now()
				require.NoError(b, store.Save(meta, clone))
				saved := time.Since(began)
				bare := bareWrite(b, o.Data, clone.StateSize())
				runtime.GC()
				before := used()
				began = time.Now()
				e := reopen(b, o)
				opened := time.Since(began)
				b.ReportMetric((used() - before).Seconds(), "restart-cpu-s")
				b.ReportMetric(bare/1e6, "bare-MB/s")
				b.ReportMetric(float64(cloned.Microseconds()), "clone-us")
				b.ReportMetric(float64(clone.StateSize())/1e6/saved.Seconds(), "save-MB/s")
				b.ReportMetric(opened.Seconds(), "restart-s")
				b.ReportMetric(state, "state-MB")
				b.ReportMetric(heap()-state, "restarted-MB")
				require.NoError(b, e.Close())
			}
			runtime.KeepAlive(machine)
		})
	}
}

// How long a restart with a log of so many entries of 300 bytes takes.
func BenchmarkGrowthLog(b *testing.B) {
	for _, entries := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			for b.Loop() {
				o := growthOptions(b.TempDir())
				log, _, err := wal.Open(o.FS, o.Data, wal.Options{ClusterID: clusterNumber(o.ClusterID), NodeID: 1})
				require.NoError(b, err)
				require.NoError(b, log.Append(wal.Batch{HardState: &raft.HardState{Term: 1, Vote: 1}}))
				data := kv.AppendTxn(nil, kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: "0123456789abcdef", Value: make([]byte, 256)}}})
				began := time.Now()
				for at := 0; at < entries; at += 64 {
					var es []raft.Entry
					for i := at; i < min(at+64, entries); i++ {
						es = append(es, raft.Entry{Index: uint64(i + 1), Term: 1, Data: data})
					}
					require.NoError(b, log.Append(wal.Batch{Entries: es}))
					require.NoError(b, log.Sync())
				}
				written := time.Since(began)
				require.NoError(b, log.Close())
				runtime.GC()
				before := used()
				began = time.Now()
				e := reopen(b, o)
				b.ReportMetric(time.Since(began).Seconds(), "restart-s")
				b.ReportMetric((used() - before).Seconds(), "restart-cpu-s")
				b.ReportMetric(float64(entries)/written.Seconds(), "synced-entries/s")
				b.ReportMetric(heap(), "heap-MB")
				require.NoError(b, e.Close())
			}
		})
	}
}
