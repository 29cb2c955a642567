package checker

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

func TestVisualize(t *testing.T) {
	ops := parseOperations(t, "0 put 1 [10, 20]\n1 get -> nil [30, 40]\n2 put 3 [30, ?]\n3 get -> fail [30, 40]")
	ops[0].Input = history.String("<script>alert(1)</script>")
	var page bytes.Buffer
	require.NoError(t, Visualize(&page, Register(), ops))
	require.Contains(t, page.String(), "get → nil")
	require.Contains(t, page.String(), "put 3 → ?")
	require.NotContains(t, page.String(), "alert(1)</script>")
	require.NotContains(t, page.String(), `\u003cscript\u003ealert`, "the description is escaped before it becomes a string of the page")
	for _, link := range []string{"src=\"http", "href=\"http", "@import"} {
		require.NotContains(t, strings.ReplaceAll(page.String(), "https://github.com/anishathalye/porcupine", ""), link, "the page needs no network")
	}
	require.ErrorContains(t, Visualize(&page, KVAppend(), ops), "cannot judge operation")
	require.NoError(t, Visualize(&page, Register(), nil), "an empty picture")
}
