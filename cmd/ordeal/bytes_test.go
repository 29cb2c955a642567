package main

import "testing"

func TestByteCount(t *testing.T) {
	for text, want := range map[string]byteCount{
		"1": 1, "2000000": 2_000_000, "1KiB": 1 << 10, "512MiB": 512 << 20, "512m": 512 << 20, "1GiB": 1 << 30, "1 GB": 1e9, "1.5GiB": 3 << 29, "2T": 2 << 40,
	} {
		var got byteCount
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
		if again := got; again.Set(got.String()) != nil || again != got {
			t.Errorf("%q is written as %q, which is something else", text, got.String())
		}
	}
	for _, text := range []string{"", "GiB", "0", "-1GiB", "1 GiB of it", "1e30", "9EiB", "0.1", "99999999TiB", "1..2", "NaN", "Inf"} {
		var got byteCount
		if err := got.Set(text); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
}
