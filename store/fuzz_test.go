package store_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/store"
)

// What is read at all is written and read again without a change: a report rebuilt from a copy says the same.
func roundTrip[T any](t *testing.T, first T, decode func(string, []byte) (T, error)) {
	t.Helper()
	b, err := json.Marshal(first)
	require.NoError(t, err)
	second, err := decode("again", b)
	require.NoError(t, err)
	c, err := json.Marshal(second)
	require.NoError(t, err)
	require.Equal(t, string(b), string(c))
}

func FuzzDecodeTest(f *testing.F) {
	f.Add([]byte(`{"name":"r","command":["ordeal","run"],"started":"2026-11-23T06:33:22Z","clients":10,"rate":0.5,"duration_ns":30,"versions":{"go":"1.26"}}`))
	f.Add([]byte(`{"clients":-1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if test, err := store.DecodeTest("test.json", b); err == nil {
			roundTrip(t, test, store.DecodeTest)
		}
	})
}

func FuzzDecodeVerdict(f *testing.F) {
	f.Add([]byte(`{"verdict":"valid","reason":"","results":[{"checker":"linearizable","verdict":"valid","keys":[{"key":"k1","verdict":"valid"}]}],"operations":{"ok":1}}`))
	f.Add([]byte(`{"verdict":"invalid","results":[{"verdict":"invalid","keys":[{"key":"k","verdict":"invalid","evidence":[{"process":1,"f":"get","key":"k","in":null,"out":null,"call_ns":1,"return_ns":2,"type":"ok","index":0}]}]}]}`))
	f.Add([]byte(`{"verdict":"maybe"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := store.DecodeVerdict("verdict.json", b); err == nil {
			roundTrip(t, v, store.DecodeVerdict)
		}
	})
}

func FuzzReadObservations(f *testing.F) {
	f.Add([]byte("{\"t\":1,\"node\":\"n1\",\"role\":\"leader\",\"term\":2}\n{\"t\":2,\"no"))
	f.Add([]byte("\n\nnull\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := store.ReadObservations("observations.jsonl", bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		for _, o := range all {
			line, err := json.Marshal(o)
			require.NoError(t, err)
			out.Write(append(line, '\n'))
		}
		again, err := store.ReadObservations("again", &out)
		require.NoError(t, err)
		require.Equal(t, all, again)
	})
}

func FuzzDecodeProgress(f *testing.F) {
	f.Add([]byte(`{"phase":"running","updated":"2026-11-23T06:33:22Z","elapsed_ns":5,"duration_ns":9,"ok":1,"per_second":0.5,"faults":["kill n1"]}`))
	f.Add([]byte(`{"phase":7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := store.DecodeProgress("progress.json", b); err == nil {
			roundTrip(t, p, store.DecodeProgress)
		}
	})
}
