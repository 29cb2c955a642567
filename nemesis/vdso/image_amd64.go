//go:build linux

package vdso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"time"
)

// The vDSO's functions that are replaced.
var replaced = []struct {
	name string
	at   *uintptr
}{
	{"__vdso_clock_gettime", &clockGettimeAt},
	{"__vdso_gettimeofday", &getTimeOfDayAt},
	{"__vdso_time", &getTimeAt},
}

const alignment = 64 // a cache line

// image is a process's vDSO as it is mapped.
type image struct {
	base  uint64
	bytes []byte
	calls []uint64 // addresses of the functions replaced
	room  uint64   // address of what is free behind the image, aligned
}

// readImage reads and measures the vDSO of a process.
func readImage(pid int, mem *os.File) (image, error) {
	base, end, err := awaitVDSO(pid)
	if err != nil {
		return image{}, err
	}
	i := image{base: base, bytes: make([]byte, end-base)}
	if _, err := mem.ReadAt(i.bytes, int64(base)); err != nil {
		return i, fmt.Errorf("read the vDSO: %w", err)
	}
	return i, i.measure()
}

var errNone = errors.New("there is no vDSO in it: it has ended, or the kernel was started with vdso=0")

const (
	beginLooks = 100
	beginWait  = 2 * time.Millisecond
)

// awaitVDSO finds it in a process that may have begun just now: the kernel maps it some time after the program has taken its parent's place.
func awaitVDSO(pid int) (base, end uint64, err error) {
	for range beginLooks {
		if base, end, err = findVDSO(pid); !errors.Is(err, errNone) {
			break
		}
		time.Sleep(beginWait)
	}
	return base, end, err
}

// findVDSO finds it in the process's memory map.
func findVDSO(pid int) (base, end uint64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &base, &end); err != nil {
			return 0, 0, fmt.Errorf("memory map line %q: %w", line, err)
		}
		return base, end, nil
	}
	return 0, 0, errNone
}

// measure finds the functions and the room behind the image.
func (i *image) measure() error {
	file, err := elf.NewFile(bytes.NewReader(i.bytes))
	if err != nil {
		return fmt.Errorf("the vDSO is no ELF image: %w", err)
	}
	if file.Class != elf.ELFCLASS64 || file.Machine != elf.EM_X86_64 {
		return fmt.Errorf("the vDSO is of %v, %v: only programs of 64 bits on amd64 can be patched", file.Class, file.Machine)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return fmt.Errorf("the vDSO's symbols: %w", err)
	}
	for _, want := range replaced {
		at := uint64(0)
		for _, s := range symbols {
			if s.Name == want.name {
				at = i.base + s.Value
			}
		}
		if at == 0 {
			return fmt.Errorf("the vDSO has no %s", want.name)
		}
		i.calls = append(i.calls, at)
	}
	// The section headers are the last that the image has.
	le := binary.LittleEndian
	used := le.Uint64(i.bytes[0x28:]) + uint64(le.Uint16(i.bytes[0x3a:]))*uint64(le.Uint16(i.bytes[0x3c:]))
	used = (used + alignment - 1) &^ (alignment - 1)
	if size := uint64(len(i.bytes)); used > size || size-used < dataSize+codeSize() {
		return fmt.Errorf("the vDSO has %d bytes free behind its image, and the patch takes %d", int64(size-used), dataSize+codeSize())
	}
	i.room = i.base + used
	return nil
}

// at is what the image has at an address.
func (i image) at(address, size uint64) []byte { return i.bytes[address-i.base:][:size] }

// codeSize is what the payload's functions take.
func codeSize() uint64 {
	n := 0
	for _, r := range replaced {
		n += len(code(*r.at))
	}
	return uint64(n)
}

// build tells payloads of different builds apart: their functions lie elsewhere.
func build() uint64 {
	h := fnv.New64a()
	for _, r := range replaced {
		h.Write(code(*r.at))
	}
	return h.Sum64()
}

// payload is what is written into the room, the data first, and where its functions are then.
func (i image) payload(boot int64) (content []byte, functions []uint64) {
	le := binary.LittleEndian
	content = make([]byte, dataSize)
	le.PutUint64(content[bootAt:], uint64(boot))
	le.PutUint64(content[buildAt:], build())
	copy(content[recordAt:], encode(asItIs()))
	for _, r := range replaced {
		functions = append(functions, i.room+uint64(len(content)))
		content = append(content, withData(code(*r.at), i.room)...)
	}
	return content, functions
}

func encode(r record) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, r) // a buffer takes all
	return b.Bytes()
}

// jump is the instruction at an address that goes to another one.
func jump(from, to uint64) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(to-from-jumpSize))
}

const jumpSize = 5
