package history_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func anyValue(depth int) *rapid.Generator[history.Value] {
	kinds := []*rapid.Generator[history.Value]{
		rapid.Just(history.Nil),
		rapid.Map(rapid.Bool(), history.Bool),
		rapid.Map(rapid.Int64(), history.Int),
		rapid.Map(rapid.String(), history.String),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) history.Value { return history.String(string(b)) }),
	}
	if depth > 0 {
		lists := rapid.SliceOfN(anyValue(depth-1), 0, 4)
		kinds = append(kinds, rapid.Map(lists, func(vs []history.Value) history.Value { return history.List(vs...) }))
	}
	return rapid.OneOf(kinds...)
}

func TestValueJSON(t *testing.T) {
	for _, c := range []struct {
		value history.Value
		json  string
		text  string
	}{
		{history.Nil, `null`, `nil`},
		{history.Bool(true), `true`, `true`},
		{history.Int(-42), `-42`, `-42`},
		{history.Int(-1 << 63), `-9223372036854775808`, `-9223372036854775808`},
		{history.String("a\"b\n\x01é"), `"a\"b\n\u0001é"`, `"a\"b\n\x01é"`},
		{history.String("\xff\x00"), `{"base64":"/wA="}`, `"\xff\x00"`},
		{history.List(history.Int(1), history.List()), `[1,[]]`, `[1 []]`},
	} {
		got, err := json.Marshal(c.value)
		require.NoError(t, err)
		require.Equal(t, c.json, string(got))
		require.Equal(t, c.text, c.value.String())
		var back history.Value
		require.NoError(t, json.Unmarshal(got, &back))
		require.True(t, back.Equal(c.value), "%v came back as %v", c.value, back)
	}
}

func TestValueReadsOtherJSON(t *testing.T) {
	for _, c := range []struct {
		json string
		want history.Value
		err  string
	}{
		{json: ` [ 1 , "\u00e9\ud83d\ude00\/" ] `, want: history.List(history.Int(1), history.String("é😀/"))},
		{json: `1.5`, err: "write fractions as strings"},
		{json: `9223372036854775808`, err: "beyond 64 bits"},
		{json: `01`, err: "leading zero"},
		{json: `"\ud800"`, err: "half a surrogate pair"},
		{json: `{"x":1}`, err: `must be {"base64":"..."}`},
		{json: `{"base64":"*"}`, err: "not base64"},
	} {
		var v history.Value
		err := v.UnmarshalJSON([]byte(c.json))
		if c.err != "" {
			require.ErrorContains(t, err, c.err, c.json)
			continue
		}
		require.NoError(t, err, c.json)
		require.True(t, v.Equal(c.want), "%s read as %v", c.json, v)
	}
}

func TestEveryValueSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyValue(3).Draw(t, "value")
		b := v.AppendJSON(nil)
		if !json.Valid(b) || !utf8.Valid(b) {
			t.Fatalf("%v is written as %q, which is no JSON", v, b)
		}
		var back history.Value
		if err := back.UnmarshalJSON(b); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if !back.Equal(v) || !v.Equal(back) {
			t.Fatalf("%v came back as %v", v, back)
		}
	})
}

func TestEqualTellsValuesApart(t *testing.T) {
	vs := []history.Value{
		history.Nil, history.Bool(false), history.Bool(true), history.Int(0), history.Int(1), history.String(""),
		history.String("0"), history.List(), history.List(history.Nil), history.List(history.Int(0)), history.List(history.Int(0), history.Nil),
	}
	for i, a := range vs {
		for j, b := range vs {
			require.Equal(t, i == j, a.Equal(b), "%v and %v", a, b)
		}
	}
	_, _, pair := history.List(history.Int(1)).AsPair()
	require.False(t, pair)
}

func FuzzValue(f *testing.F) {
	for _, s := range []string{`null`, `[1,"a",[true]]`, `{"base64":"/wA="}`, `"\ud83d\ude00"`, `-0`, `[[[[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v history.Value
		if v.UnmarshalJSON(data) != nil {
			return
		}
		require.True(t, json.Valid(data), "read %q, which is no JSON, as %v", data, v)
		var back history.Value
		require.NoError(t, back.UnmarshalJSON(v.AppendJSON(nil)))
		require.True(t, back.Equal(v))
	})
}
