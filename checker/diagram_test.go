package checker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiagram(t *testing.T) {
	ops := parseOperations(t, `3 put 42    [10, 20]
4 put 43    [30, 40]
12 put 44   [35, ?]
7 get -> 42 [50, 60]
3 cas 42 1 -> 43 [55, 70]
7 get -> 43 [61, 70]`)
	require.Equal(t, ""+
		"process 3   |put 42|         |cas 42 1 -> 43     |\n"+
		"process 4           |put 43|\n"+
		"process 12           |put 44 -> ? - - >\n"+
		"process 7                   |get -> 42||get -> 43|\n", Diagram(ops))
	require.Empty(t, Diagram(nil))
}
