package ordeal

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/systems"
)

// Sets, queues and lists are the elements one after another, each with a space behind it.

// element is how an element is stored; an error says that it cannot be.
func element(v history.Value) ([]byte, error) {
	b, fits := text(v)
	if !fits || len(b) == 0 || strings.Contains(string(b), " ") {
		return nil, fmt.Errorf("an element is a number or a string without spaces, not %v", v)
	}
	return append(b, ' '), nil
}

// elements are those of what is stored. What is not as it was written stays to be seen.
func elements(r kv.Result) []history.Value {
	all := []history.Value{}
	for rest := string(r.Value); rest != ""; {
		word, after, _ := strings.Cut(rest, " ")
		all = append(all, stored(word))
		rest = after
	}
	return all
}

func appendElement(s *Steps) error {
	b, err := element(s.op.Input)
	if err != nil {
		return err
	}
	return s.do(plain, kv.Op{Kind: kv.Append, Key: s.op.Key, Value: b})
}

func readElements(s *Steps) error {
	return s.do(func(_ *Steps, r client.Result) (systems.Completion, bool) {
		return ok(history.List(elements(r.Results[0])...))
	}, kv.Op{Kind: kv.Get, Key: s.op.Key})
}

// dequeue looks at the queue, then takes the first element if the queue is still the same.
func dequeue(s *Steps) error {
	return s.do((*Steps).takeFirst, kv.Op{Kind: kv.Get, Key: s.op.Key})
}

// takeFirst tries to take the first element of the queue that an answer shows.
func (s *Steps) takeFirst(r client.Result) (systems.Completion, bool) {
	queue := r.Results[0]
	word, rest, _ := strings.Cut(string(queue.Value), " ")
	switch {
	case len(queue.Value) == 0:
		return ok(history.Nil)
	case s.tries == mostTries:
		return refused("others were faster %d times", s.tries)
	}
	s.tries++
	s.do(func(s *Steps, r client.Result) (systems.Completion, bool) {
		if !r.Applied {
			return s.takeFirst(r) // the answer shows what the queue is instead
		}
		return ok(stored(word))
	}, kv.Op{Kind: kv.CompareAndSet, Key: s.op.Key, Expected: queue.Value, Value: []byte(rest)})
	return systems.Completion{}, false
}
