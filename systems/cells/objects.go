package cells

import (
	"context"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// done ends a replacement that has nothing to replace.
func done(c systems.Completion) (string, history.Value, *systems.Completion) {
	return "", history.Nil, &c
}

// dequeue takes the first element.
func dequeue(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	return replace(ctx, s, op.Key, func(c Cell) (string, history.Value, *systems.Completion) {
		if c.Text == "" {
			return done(ok(history.Nil, c.Index))
		}
		word, rest, _ := strings.Cut(c.Text, " ")
		return rest, valueOf(word), nil
	})
}

// A counter is a decimal number; one that is not there is 0.

func addNumber(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	delta, isInt := op.Input.AsInt()
	if !isInt {
		return refused("add wants an integer, not %v", op.Input)
	}
	return replace(ctx, s, op.Key, func(c Cell) (string, history.Value, *systems.Completion) {
		n, err := number(c)
		if err != nil {
			return done(refused("%q is no number", c.Text))
		}
		return strconv.FormatInt(n+delta, 10), history.Int(n + delta), nil
	})
}

func readNumber(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	cell, err := s.Get(ctx, op.Key)
	switch {
	case err != nil:
		return systems.Failed(err, true)
	case !cell.Found:
		return ok(history.Int(0), cell.Index)
	}
	return ok(value(cell), cell.Index)
}

func number(c Cell) (int64, error) {
	if !c.Found {
		return 0, nil
	}
	return strconv.ParseInt(c.Text, 10, 64)
}

// A lock is its holder's name, a space, and how often it was acquired: the token of the last acquisition.

func holder(c Cell) (name string, token int64) {
	name, count, _ := strings.Cut(c.Text, " ")
	token, _ = strconv.ParseInt(count, 10, 64)
	return name, token
}

func locked(name string, token int64) string { return name + " " + strconv.FormatInt(token, 10) }

func acquire(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	name, fits := textOf(op.Input)
	if !fits || name == "" || strings.Contains(name, " ") {
		return refused("acquire wants the client's name, without spaces, not %v", op.Input)
	}
	return replace(ctx, s, op.Key, func(c Cell) (string, history.Value, *systems.Completion) {
		held, token := holder(c)
		if held != "" {
			return done(refused("held by %s", held))
		}
		return locked(name, token+1), history.Int(token + 1), nil
	})
}

func release(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	name, fits := textOf(op.Input)
	if !fits || name == "" {
		return refused("release wants the client's name, not %v", op.Input)
	}
	return replace(ctx, s, op.Key, func(c Cell) (string, history.Value, *systems.Completion) {
		held, token := holder(c)
		if held != name {
			return done(refused("held by %q", held))
		}
		return locked("", token), history.Nil, nil
	})
}

func readHolder(ctx context.Context, s Store, op workloads.Operation) systems.Completion {
	cell, err := s.Get(ctx, op.Key)
	if err != nil {
		return systems.Failed(err, true)
	}
	name, _ := holder(cell)
	if name == "" {
		return ok(history.Nil, cell.Index)
	}
	return ok(valueOf(name), cell.Index)
}
