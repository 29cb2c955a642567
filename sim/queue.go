package sim

import "time"

// happening is something that will happen. Of those at the same time the one that was planned first comes first.
type happening struct {
	at   time.Duration
	seq  uint64
	kind happeningKind
	node int32  // index of the node, or of the coroutine
	ref  uint32 // the message's place
	life uint64 // of the process, or of the coroutine's wait: one of an earlier life is void; of a message its number on the link
}

type happeningKind uint8

const (
	delivery happeningKind = iota + 1 // of message ref to node
	turn                              // of the node's thread
	timer                             // the driver's deadline
	logWork                           // of the disk
	snapWork                          // of the snapshots' thread
	leave                             // the node ends, being removed
	wake                              // of coroutine node
	function                          // deferred, ref
)

// queue is a heap of happenings.
type queue struct {
	heap []happening
	seq  uint64
}

func (q *queue) push(h happening) {
	q.seq++
	h.seq = q.seq
	q.heap = append(q.heap, h)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !before(&h, &q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = h
}

func before(a, b *happening) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// pop takes the next. The queue must not be empty.
func (q *queue) pop() happening {
	top := q.heap[0]
	n := len(q.heap) - 1
	last := q.heap[n]
	q.heap = q.heap[:n]
	if n == 0 {
		return top
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, n); c++ {
			if before(&q.heap[c], &q.heap[least]) {
				least = c
			}
		}
		if !before(&q.heap[least], &last) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = last
	return top
}
