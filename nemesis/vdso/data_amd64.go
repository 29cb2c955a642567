//go:build linux

package vdso

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"time"
	"unsafe"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Where the payload's functions are in this program.
var clockGettimeAt, getTimeOfDayAt, getTimeAt uintptr

const (
	dataMark = 0x4f52444c44415441 // in a function: the address of the data
	endMark  = 0x4f52444c454e4421 // behind a function
	mostCode = 1024
)

// code is a function of the payload, as it is in this program.
func code(at uintptr) []byte {
	b := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), mostCode)
	for n := 0; n+8 <= len(b); n++ {
		if binary.LittleEndian.Uint64(b[n:]) == endMark {
			return b[:n]
		}
	}
	panic("vdso: a function of the payload has no end")
}

// withData is the function with the address of the data in it.
func withData(code []byte, at uint64) []byte {
	b := append([]byte(nil), code...)
	for n := 0; n+8 <= len(b); n++ {
		if binary.LittleEndian.Uint64(b[n:]) == dataMark {
			binary.LittleEndian.PutUint64(b[n:], at)
			return b
		}
	}
	panic("vdso: a function of the payload has no place for the address of its data")
}

// The data beside the payload: generation, record, and what only the installation sets.
const (
	generationAt = 0
	recordAt     = 8
	bootAt       = 56
	buildAt      = 64
	dataSize     = 72
)

// record is how the clocks go, in the payload's order.
type record struct {
	MonoBase  int64 // the machine's monotonic time at which the rate was set
	MonoValue int64 // the process's then
	Rate      int64 // with 32 binary places
	WallBase  int64 // the machine's wall time at which rate and offset were set
	Offset    int64
	Strobe    int64
}

const one = int64(1) << 32 // a rate

// asItIs is the record of clocks that are right.
func asItIs() record { return record{Rate: one} }

// scale multiplies by a rate, as the payload does.
func scale(v, rate int64) int64 {
	hi, lo := bits.Mul64(uint64(v), uint64(rate))
	if v < 0 {
		hi -= uint64(rate)
	}
	return int64(hi<<32 | lo>>32)
}

// monotonic is the process's monotonic time at the machine's.
func (r record) monotonic(now int64) int64 { return r.MonoValue + scale(now-r.MonoBase, r.Rate) }

// wall is the process's wall time at the machine's.
func (r record) wall(now int64) int64 {
	since := now - r.WallBase
	at := r.WallBase + scale(since, r.Rate)
	if r.Strobe != 0 && since/r.Strobe%2 != 0 {
		return at
	}
	return at + r.Offset
}

// next is how the clocks go when they are set at a time: monotonic time goes on from where it is.
func (r record) next(s nemesis.ClockSetting, mono, wall int64) record {
	n := record{MonoBase: mono, MonoValue: r.monotonic(mono), Rate: one, WallBase: wall, Offset: int64(s.Offset), Strobe: int64(s.Strobe)}
	if s.Rate != 0 {
		n.Rate = int64(math.Round(s.Rate * float64(one)))
	}
	return n
}

// Limits of a setting.
const (
	slowest, fastest = 1e-3, 1e3
	farthest         = 10 * 365 * 24 * time.Hour
	leastStrobe      = time.Millisecond
)

// Check tells what is wrong with a setting.
func Check(s nemesis.ClockSetting) error {
	switch {
	case s.Rate != 0 && !(s.Rate >= slowest && s.Rate <= fastest):
		return fmt.Errorf("vdso: the rate is %v: want %v to %v, or 0 for the machine's", s.Rate, slowest, fastest)
	case s.Offset > farthest || s.Offset < -farthest:
		return fmt.Errorf("vdso: the offset is %v: want at most %v either way", s.Offset, farthest)
	case s.Strobe != 0 && s.Strobe < leastStrobe || s.Strobe > farthest:
		return fmt.Errorf("vdso: the strobe is %v: want %v or more, or 0 for none", s.Strobe, leastStrobe)
	}
	return nil
}
