package checker

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// heapLimit keeps the heap below a limit while keys are checked. Algorithms account for what they hold against their
// share; because such an account is an estimate, the heap is watched as well, and the collector is told the limit.
type heapLimit struct {
	limit int64       // bytes of heap
	room  int64       // bytes, what was free of it at the start
	tick  *time.Timer // looks at the heap; set again as long as there is something to watch

	mu     sync.Mutex
	over   bool
	told   bool // the collector knows the limit
	active map[*watched]bool
}

// watched is what ends when the heap is full.
type watched struct{ full func() }

// heapWatchEvery is how often the heap is looked at: a program allocates no more than some tens of megabytes meanwhile.
const heapWatchEvery = 20 * time.Millisecond

// limitHeap begins to keep the heap below the limit, in bytes (0: what suits the machine). release ends it.
func limitHeap(limit int64) *heapLimit {
	live := int64(heapObjects())
	if limit <= 0 {
		limit = live + freeMemory()/4*3
	}
	if live > limit/2 { // what of it is garbage matters
		live = int64(liveHeap())
	}
	h := &heapLimit{limit: limit, room: max(limit-live, 0) / 10 * 9, active: make(map[*watched]bool)}
	h.mu.Lock()
	if limit < largeHeap {
		h.tellCollector()
	}
	h.tick = time.AfterFunc(heapWatchEvery, h.look)
	h.mu.Unlock()
	return h
}

func (h *heapLimit) release() {
	h.mu.Lock()
	h.over = true
	h.tick.Stop()
	told := h.told
	h.mu.Unlock()
	if told {
		popMemoryLimit(h.limit)
	}
}

// largeHeap is a limit, in bytes, that no program reaches before it is first looked at. The collector is told one only then:
// a check of a small history takes little longer than that.
const largeHeap = 1 << 30

// tellCollector tells the collector the limit, once; mu is held.
func (h *heapLimit) tellCollector() {
	if !h.told {
		h.told = true
		pushMemoryLimit(h.limit)
	}
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

// limits are those of the heap for what is not counted against a share of it.
func (h *heapLimit) limits() history.Limits {
	return history.Limits{Room: func(bytes int64) error {
		if !h.fits(bytes) {
			return limitReached{"not decided within " + size(h.limit) + " of memory"}
		}
		return nil
	}}
}

// fits tells whether the heap can take so many bytes more, once its garbage is gone.
func (h *heapLimit) fits(bytes int64) bool {
	if h.holds(bytes) {
		return true
	}
	if bytes > h.limit {
		return false
	}
	runtime.GC()
	return h.holds(bytes)
}

// holds tells whether the objects on the heap and so many bytes more are within the limit, and what the heap sets aside for
// them little above it: what is free between objects is not always used again, and the machine has to have it too.
func (h *heapLimit) holds(bytes int64) bool {
	objects, between := heapUse()
	return objects+bytes <= h.limit && objects+between+bytes <= h.limit+h.limit/16
}

// look ends what is watched when the heap is full, and looks again later, sooner where it is nearly so.
func (h *heapLimit) look() {
	next := heapWatchEvery
	if objects, between := heapUse(); objects+between > h.limit/4*3 || h.limit < smallHeap {
		next = heapWatchEvery / 10
		if objects+between >= h.limit/20*19 && !h.fits(h.limit/20) {
			h.endAll()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over {
		h.tellCollector()
		h.tick.Reset(next)
	}
}

func (h *heapLimit) endAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.active {
		w.full()
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

// heapUse is what the objects on the heap take, garbage as well, and what is set aside between them, in bytes.
func heapUse() (objects, between int64) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64()), int64(samples[1].Value.Uint64())
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
	debug.SetMemoryLimit(min(memoryLimit.before, slices.Min(memoryLimit.active)))
}

func popMemoryLimit(limit int64) {
	memoryLimit.Lock()
	defer memoryLimit.Unlock()
	i := slices.Index(memoryLimit.active, limit)
	memoryLimit.active = slices.Delete(memoryLimit.active, i, i+1)
	debug.SetMemoryLimit(min(memoryLimit.before, slices.Min(append([]int64{memoryLimit.before}, memoryLimit.active...))))
}

// freeMemory is what the machine, or the container, can still give, in bytes; 4 GiB where that is unknown. It is asked anew
// ten times a second at most: a check of a small history takes less than the question.
func freeMemory() int64 {
	lastFree.Lock()
	defer lastFree.Unlock()
	if lastFree.at.IsZero() || time.Since(lastFree.at) > 100*time.Millisecond {
		lastFree.bytes, lastFree.at = askFreeMemory(), time.Now()
	}
	return lastFree.bytes
}

var lastFree struct {
	sync.Mutex
	at    time.Time
	bytes int64
}

func askFreeMemory() int64 {
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
