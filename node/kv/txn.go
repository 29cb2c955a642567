package kv

import (
	"errors"
	"fmt"
)

// OpKind names a micro-operation.
type OpKind uint8

const (
	Get           OpKind = iota + 1 // answers the value
	Put                             // sets the value
	CompareAndSet                   // sets the value if it is as expected, else the transaction has no effect
	Append                          // puts bytes after the value; an absent key counts as empty
	Delete                          // makes the key absent
	Add                             // adds a number to the value, a decimal integer; an absent key counts as 0
)

var opNames = [...]string{"", "get", "put", "cas", "append", "delete", "add"}

func (k OpKind) String() string {
	if k.Valid() {
		return opNames[k]
	}
	return fmt.Sprintf("OpKind(%d)", uint8(k))
}

// Valid reports whether k names a micro-operation.
func (k OpKind) Valid() bool { return k >= Get && k <= Add }

// Op is one micro-operation.
type Op struct {
	Kind  OpKind
	Key   string
	Value []byte // Put, CompareAndSet: the new value; Append: what to add

	// CompareAndSet: the value expected, or that the key is absent.
	Expected     []byte
	ExpectAbsent bool

	Delta int64 // Add
}

// Txn is a transaction: its operations take effect in order and at once, or, when a compare-and-set does not find what
// it expects or an addition is impossible, not at all.
type Txn struct {
	Ops []Op
}

// ReadOnly reports whether the transaction can change nothing, so that it need not go through the log.
func (t Txn) ReadOnly() bool {
	for _, op := range t.Ops {
		if op.Kind != Get {
			return false
		}
	}
	return true
}

// Result answers one micro-operation.
type Result struct {
	// Found and Value are the key's state that the operation saw before it acted; after it for Add and Append.
	Found bool
	Value []byte
}

// TxnResult answers a transaction.
type TxnResult struct {
	// Expired: the session is not known any more, so that nobody can tell whether the command took effect before.
	Expired bool
	// Applied is false when the transaction had no effect; Failed is then the operation that stood against it.
	Applied bool
	Failed  int
	Reason  string
	Results []Result // one an operation; when not Applied, up to and with the failed one
}

// Limits of a transaction. They bound the memory and the log space that one request can ask for.
const (
	MaxKey   = 4 << 10 // bytes
	MaxValue = 1 << 20 // bytes, of a stored value too
	MaxOps   = 1024
	MaxTxn   = 4 << 20 // bytes, encoded
	// MaxResult bounds the values that one transaction answers with, in bytes; one that would answer more has no effect.
	MaxResult = 16 << 20
)

// Check reports what makes the transaction unacceptable, and the limit it breaks.
func (t Txn) Check() error {
	if len(t.Ops) == 0 {
		return errors.New("transaction has no operation")
	}
	if len(t.Ops) > MaxOps {
		return fmt.Errorf("transaction has %d operations, at most %d are allowed", len(t.Ops), MaxOps)
	}
	size := 0
	for i, op := range t.Ops {
		if err := op.check(); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
		size += len(op.Key) + len(op.Value) + len(op.Expected) + 32
	}
	if size > MaxTxn {
		return fmt.Errorf("transaction is %d bytes, at most %d are allowed", size, MaxTxn)
	}
	return nil
}

func (op Op) check() error {
	switch {
	case !op.Kind.Valid():
		return fmt.Errorf("unknown kind %d", op.Kind)
	case op.Key == "":
		return errors.New("key is empty")
	case len(op.Key) > MaxKey:
		return fmt.Errorf("key is %d bytes, at most %d are allowed", len(op.Key), MaxKey)
	case len(op.Value) > MaxValue || len(op.Expected) > MaxValue:
		return fmt.Errorf("value of %d bytes, at most %d are allowed", max(len(op.Value), len(op.Expected)), MaxValue)
	}
	return nil
}
