package importer

import (
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// A token that happens to be the number of the process is a token all the same: only an argument that was given can be
// repeated.
func TestATokenMayBeTheNumberOfItsProcess(t *testing.T) {
	h, err := Decode(EDN, []byte(`{:process 1, :type :invoke, :f :acquire, :value nil}
{:process 1, :type :ok, :f :acquire, :value 1}
{:process 2, :type :invoke, :f :acquire, :value 2}
{:process 2, :type :ok, :f :acquire, :value 2}
`))
	require.NoError(t, err)
	require.Equal(t, history.Int(1), h.Operations[0].Input)
	require.Equal(t, history.Int(1), h.Operations[0].Output)
	require.Equal(t, history.Int(2), h.Operations[1].Input)
	require.Equal(t, history.Nil, h.Operations[1].Output)
}
