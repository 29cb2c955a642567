package ordeal

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/workloads"
)

func TestErrorsAreClassified(t *testing.T) {
	s := &Steps{}
	for _, test := range []struct {
		err  error
		want history.Type
	}{
		{&client.Error{Definite: true, Node: 2, Cause: errors.New("not sent")}, history.Fail},
		{&client.Error{Node: 2, Cause: errors.New("connection lost")}, history.Info},
		{errors.New("never heard of"), history.Info},
	} {
		require.Equal(t, test.want, s.Failure(test.err).Type, "%v", test.err)
	}
	require.Equal(t, "n2", s.Failure(&client.Error{Node: 2, Cause: errors.New("x")}).Node)
}

func TestOperationsBecomeTransactions(t *testing.T) {
	cas, err := Begin(workloads.Operation{F: "cas", Key: "k", Input: history.List(history.Nil, history.Int(7))}, wire.ReadIndex)
	require.NoError(t, err)
	require.Equal(t, kv.Txn{Ops: []kv.Op{{Kind: kv.CompareAndSet, Key: "k", Expected: []byte{}, ExpectAbsent: true, Value: []byte("7")}}}, cas.Txn)
}

// A value that nobody wrote must reach the checker, not be hidden behind an unknown outcome.
func TestForeignValuesAreKept(t *testing.T) {
	require.Equal(t, history.Int(42), value(kv.Result{Found: true, Value: []byte("42")}))
	require.Equal(t, history.String("x\x00"), value(kv.Result{Found: true, Value: []byte("x\x00")}))
	require.Equal(t, history.String("007"), value(kv.Result{Found: true, Value: []byte("007")}))
	require.Equal(t, history.String("+7"), value(kv.Result{Found: true, Value: []byte("+7")}))
	require.Equal(t, history.Nil, value(kv.Result{}))
}

func TestNodeNames(t *testing.T) {
	_, err := System{}.Open("n0", map[string]string{"n1": "127.0.0.1:1"})
	require.Error(t, err)
	_, err = System{}.Open("n1", map[string]string{"one": "127.0.0.1:1"})
	require.ErrorContains(t, err, "names are n1, n2")
}
