package history

import (
	"context"
	"unsafe"
)

// Limits bound the reading of a history. The zero Limits are none.
type Limits struct {
	// Context ends the reading, which then fails with the context's cause.
	Context context.Context
	// Room is asked before much memory is taken at once, in bytes; reading fails with its error.
	Room func(bytes int64) error
}

// Stopped is the cause for which the context ended, nil while it goes on.
func (l Limits) Stopped() error {
	if l.Context == nil || l.Context.Err() == nil {
		return nil
	}
	return context.Cause(l.Context)
}

// Take asks for memory, in bytes; 0 asks whether what was taken in small pieces since the last question still fits.
func (l Limits) Take(bytes int64) error {
	if err := l.Stopped(); err != nil || l.Room == nil {
		return err
	}
	return l.Room(bytes)
}

// manyElements is from how many elements on a slice is not grown without asking.
const manyElements = 4096

// Grown is the slice with room for one more element at least.
func Grown[T any](l Limits, s []T) ([]T, error) {
	if len(s) < cap(s) || len(s) < manyElements {
		return s, nil // append grows it
	}
	more := cap(s) / 4
	var one T
	if err := l.Take(int64(cap(s)+more) * int64(unsafe.Sizeof(one))); err != nil {
		return s, err
	}
	grown := make([]T, len(s), cap(s)+more)
	for at := 0; at < len(s); at += manyElements { // a long one takes longer to copy than the time may be overdrawn
		if err := l.Stopped(); err != nil {
			return s, err
		}
		copy(grown[at:], s[at:min(at+manyElements, len(s))])
	}
	return grown, nil
}
