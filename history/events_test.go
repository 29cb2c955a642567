package history

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Events undoes Join.
func TestEventsAndJoin(t *testing.T) {
	operations := []Operation{
		{Process: 0, F: "put", Key: "x", Input: Int(1), Call: 10, Return: 40, Type: OK, Node: "n1", LogIndex: 7},
		{Process: 1, F: "get", Key: "x", Output: Int(1), Call: 20, Return: 30, Type: OK, Index: 1},
		{Process: 2, F: "put", Key: "x", Input: Int(2), Call: 25, Return: Forever, Type: Info, Index: 2},
		{Process: 1, F: "get", Key: "x", Call: 40, Return: 50, Type: Fail, Error: "no", Index: 4},
	}
	events := Events(operations)
	require.Len(t, events, 7)
	got, err := Operations(events)
	require.NoError(t, err)
	require.Equal(t, operations, got)
	require.Empty(t, Events(nil))
}
