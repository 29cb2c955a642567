package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteCount is a flag that takes a number of bytes with a unit: 1GiB, 512MiB, 1.5G, 2000000.
type byteCount int64

var byteUnits = map[string]float64{
	"": 1, "B": 1,
	"K": 1 << 10, "KIB": 1 << 10, "KB": 1e3,
	"M": 1 << 20, "MIB": 1 << 20, "MB": 1e6,
	"G": 1 << 30, "GIB": 1 << 30, "GB": 1e9,
	"T": 1 << 40, "TIB": 1 << 40, "TB": 1e12,
}

func (b *byteCount) Set(text string) error {
	at := strings.LastIndexAny(text, "0123456789.") + 1
	n, err := strconv.ParseFloat(text[:at], 64)
	unit, known := byteUnits[strings.ToUpper(strings.TrimSpace(text[at:]))]
	if err != nil || !known {
		return errors.New("want a number of bytes with a unit, like 512MiB or 1.5GiB")
	}
	if n *= unit; n < 1 || n >= math.MaxInt64 {
		return errors.New("want at least one byte, and fewer than 8 EiB")
	}
	*b = byteCount(n)
	return nil
}

func (b *byteCount) String() string {
	switch n := *b; {
	case n == 0:
		return ""
	case n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	default:
		return strconv.FormatInt(int64(n), 10)
	}
}

func (b *byteCount) Type() string { return "bytes" }
