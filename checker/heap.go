package checker

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"
)

// heapLimit keeps the heap below a limit while keys are checked. Algorithms account for what they hold against their
// share; because such an account is an estimate, the heap is watched as well, and the collector is told the limit.
type heapLimit struct {
	limit int64 // bytes of heap
	room  int64 // bytes, what was free of it at the start
	stop  chan struct{}
	done  chan struct{}

	mu     sync.Mutex
	active map[*watched]bool
}

// watched is what ends when the heap is full.
type watched struct{ full func() }

// heapWatchEvery is how often the heap is looked at: a program allocates no more than some tens of megabytes meanwhile.
const heapWatchEvery = 20 * time.Millisecond

// limitHeap begins to keep the heap below the limit, in bytes (0: what suits the machine). release ends it.
func limitHeap(limit int64) *heapLimit {
	live := int64(liveHeap())
	if limit <= 0 {
		limit = live + freeMemory()/4*3
	}
	h := &heapLimit{
		limit: limit, room: max(limit-live, 0) / 10 * 9,
		stop: make(chan struct{}), done: make(chan struct{}), active: make(map[*watched]bool),
	}
	pushMemoryLimit(limit)
	go h.look()
	return h
}

func (h *heapLimit) release() {
	close(h.stop)
	<-h.done
	popMemoryLimit()
}

// share is what one of several workers may hold, in bytes.
func (h *heapLimit) share(workers int) int64 { return h.room / int64(workers) }

// watch gives the decision up when the heap reaches the limit, until the returned function is called.
func (h *heapLimit) watch(b *bounds) (unwatch func()) { return h.whenFull(b.outOfMemory) }

// whenFull calls full when the heap reaches the limit, until the returned function is called.
func (h *heapLimit) whenFull(full func()) (unwatch func()) {
	w := &watched{full}
	h.mu.Lock()
	h.active[w] = true
	h.mu.Unlock()
	return func() {
		h.mu.Lock()
		delete(h.active, w)
		h.mu.Unlock()
	}
}

// fits tells whether the heap can take so many bytes more, once its garbage is gone.
func (h *heapLimit) fits(bytes int64) bool {
	if int64(heapObjects())+bytes <= h.limit {
		return true
	}
	if bytes > h.limit {
		return false
	}
	runtime.GC()
	return int64(heapObjects())+bytes <= h.limit
}

func (h *heapLimit) look() {
	defer close(h.done)
	tick := time.NewTicker(heapWatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
		}
		used := int64(heapObjects())
		if used < h.limit {
			if used > h.limit/4*3 || h.limit < smallHeap {
				tick.Reset(heapWatchEvery / 10)
			} else {
				tick.Reset(heapWatchEvery)
			}
			continue
		}
		if runtime.GC(); int64(heapObjects()) < h.limit {
			continue
		}
		h.mu.Lock()
		for w := range h.active {
			w.full()
		}
		h.mu.Unlock()
	}
}

func heapObjects() uint64 { return readMetric("/memory/classes/heap/objects:bytes") }

// smallHeap is a heap, in bytes, in which garbage does not matter.
const smallHeap = 64 << 20

// liveHeap is what the heap holds, without garbage if that may be much.
func liveHeap() uint64 {
	if heapObjects() > smallHeap {
		runtime.GC()
	}
	return heapObjects()
}

func readMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// The collector's limit is one for the program; several checks at once use the smallest.
var memoryLimit struct {
	sync.Mutex
	before int64
	active []int64
}

func pushMemoryLimit(limit int64) {
	memoryLimit.Lock()
	defer memoryLimit.Unlock()
	if len(memoryLimit.active) == 0 {
		memoryLimit.before = debug.SetMemoryLimit(-1)
	}
	memoryLimit.active = append(memoryLimit.active, limit)
	debug.SetMemoryLimit(min(limit, debug.SetMemoryLimit(-1)))
}

func popMemoryLimit() {
	memoryLimit.Lock()
	defer memoryLimit.Unlock()
	memoryLimit.active = memoryLimit.active[:len(memoryLimit.active)-1]
	if len(memoryLimit.active) == 0 {
		debug.SetMemoryLimit(memoryLimit.before)
	}
}

// freeMemory is what the machine, or the container, can still give, in bytes; 4 GiB where that is unknown.
func freeMemory() int64 {
	free := int64(4 << 30)
	if n := meminfo("MemAvailable:"); n > 0 {
		free = n
	}
	limit, used := cgroupNumber("memory.max"), cgroupNumber("memory.current")
	if limit > 0 && used >= 0 {
		free = min(free, max(limit-used, 64<<20))
	}
	return free
}

func meminfo(name string) int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(data) {
		if fields := bytes.Fields(line); len(fields) >= 2 && string(fields[0]) == name {
			kib, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// cgroupNumber reads a file of the control group a container sees as its root; -1: there is none, or it says "max".
func cgroupNumber(name string) int64 {
	data, err := os.ReadFile("/sys/fs/cgroup/" + name)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(data)), 10, 64)
	if err != nil || n == math.MaxInt64 {
		return -1
	}
	return n
}
