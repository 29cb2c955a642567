package importer

import "fmt"

// independent tells a history whose values are pairs of a key and the value proper, as jepsen.independent makes them: the
// value of every operation of a client is one, and some are pairs that could be nothing else.
func (b *builder) independent() bool {
	seen := false
	for i := range b.operations {
		o := &b.operations[i]
		kind := trimColon(o.kind.text)
		switch {
		case o.process.kind != ednInt, kind != "invoke" && kind != "ok", kind == "ok" && (o.value.kind == ednNil || o.value.kind == ednKeyword):
			continue // the nemesis, what failed and may tell why in place of a value, and what says no more than ok
		case o.key.kind != ednNil || !o.keyed():
			return false
		case kind != "invoke":
			continue
		}
		sure, plain := o.pairOfKey()
		if plain {
			return false
		}
		seen = seen || sure
	}
	return seen
}

// keyed tells an operation of a client whose value may be one of a key.
func (o *operation) keyed() bool {
	return o.process.kind == ednInt && o.value.kind == ednVector && len(o.value.items) == 2
}

// pairOfKey looks at an invocation whose value is a pair: sure, that its first part is a key, or plain, that it is none.
func (o *operation) pairOfKey() (sure, plain bool) {
	key, value := o.value.items[0], o.value.items[1]
	switch {
	case key.kind == ednVector && len(key.items) > 0 && key.items[0].kind == ednKeyword: // a transaction of two steps
		return false, true
	case o.f == "cas": // its value is a pair itself
		pair := value.kind == ednVector && len(value.items) == 2
		return pair, !pair
	case o.f == "txn", o.f == "transfer":
		inner := value.kind == ednVector || value.kind == ednMap
		return inner, !inner
	case value.kind == ednNil: // a read: a plain one is invoked with nothing
		return true, false
	}
	return o.f == "write", false
}

// keys gives the operations of a history the names of their keys.
type keys struct {
	open  map[int64]form     // the key of each process's last invocation
	kinds map[string]ednKind // by name: of what kind the key is
}

// take takes the key out of an operation's value. A completion without it is one of its invocation's.
func (k keys) take(o *operation) {
	switch {
	case o.keyed():
		o.key, o.value = o.value.items[0], o.value.items[1]
	case o.process.kind == ednInt:
		o.key = k.open[o.process.num]
	}
	if o.process.kind == ednInt && trimColon(o.kind.text) == "invoke" {
		k.open[o.process.num] = o.key
	}
}

// name is the name of an object. Strings and keywords stand for themselves, unless a key of another kind does: keys that
// differ must not become one.
func (k keys) name(f form) string {
	if f.kind == ednNil {
		return ""
	}
	text := f.value().String()
	if f.kind == ednString || f.kind == ednKeyword {
		text = f.text
	}
	if kind, ok := k.kinds[text]; ok && kind != f.kind {
		return fmt.Sprintf("%q", text)
	}
	k.kinds[text] = f.kind
	return text
}
