package importer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/ordeal-dev/ordeal/history"
)

// Load reads the history at path, whatever its format, plain or compressed.
func Load(path string) (*history.History, Format, error) {
	return LoadWithin(history.Limits{}, path)
}

// LoadWithin is Load within limits.
func LoadWithin(l history.Limits, path string) (*history.History, Format, error) {
	start, err := beginning(path)
	switch {
	case os.IsNotExist(err): // history.Open knows that a plain name may stand for a sealed file
		h, err := history.LoadWithin(l, path)
		return h, Ordeal, err
	case err != nil:
		return nil, "", fmt.Errorf("read a history: %w", err)
	case bytes.HasPrefix(start, zstdMagic) && !holdsOrdeal(start): // of another's
	case !bytes.HasPrefix(start, gzipMagic):
		format, err := Detect(start)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", path, err)
		}
		if format == Ordeal && bytes.Equal(withoutMark(start), start) {
			h, err := history.LoadWithin(l, path)
			return h, format, err
		}
		h, err := load(l, format, path)
		return h, format, err
	}
	data, err := readFile(l, path)
	if err != nil {
		return nil, "", err
	}
	format, err := Detect(data[:min(len(data), detectBytes)])
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	h, err := DecodeWithin(l, format, data)
	if err != nil {
		return nil, "", fmt.Errorf("%s %w", path, err)
	}
	return h, format, nil
}

// Read reads the history that a stream holds to its end, of a format or (empty) of the one it looks like, plain or compressed.
// name is what errors call it.
func Read(l history.Limits, name string, in io.Reader, format Format) (*history.History, Format, error) {
	data, err := unpack(l, name, in, 0)
	if err != nil {
		return nil, "", err
	}
	if format == "" {
		if format, err = Detect(data[:min(len(data), detectBytes)]); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
	}
	h, err := DecodeWithin(l, format, data)
	if err != nil {
		return nil, "", fmt.Errorf("%s %w", name, err)
	}
	return h, format, nil
}

// LoadFormat reads the history at path, of a format that is known, plain or compressed.
func LoadFormat(l history.Limits, format Format, path string) (*history.History, error) {
	h, err := load(l, format, path)
	if err != nil {
		return nil, fmt.Errorf("read as %s: %w", format, err)
	}
	return h, nil
}

func load(l history.Limits, format Format, path string) (*history.History, error) {
	data, err := readFile(l, path)
	if err != nil {
		return nil, err
	}
	h, err := DecodeWithin(l, format, data)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return h, nil
}

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// holdsOrdeal tells whether the beginning of a compressed file is one of a history of ours. One that cannot be unpacked is
// left to the reader of those, which says what is wrong with it.
func holdsOrdeal(start []byte) bool {
	z, err := zstd.NewReader(bytes.NewReader(start), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return true
	}
	defer z.Close()
	text := make([]byte, detectBytes)
	n, _ := io.ReadFull(z, text) // it breaks off
	format, err := Detect(text[:n])
	return err != nil || format == Ordeal
}

// mostBytes bounds what a history may hold that is read at once, in bytes.
const mostBytes = 4 << 30

// readFile reads a whole file, unpacked where gzip packed it.
func readFile(l history.Limits, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a history: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read a history: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("read a history: %s is a folder; name the file in it", path)
	}
	return unpack(l, path, f, info.Size())
}

// unpack reads to the end of what may be packed; size is about how much there is.
func unpack(l history.Limits, path string, f io.Reader, size int64) ([]byte, error) {
	buffered := bufio.NewReader(f)
	start, err := buffered.Peek(len(zstdMagic))
	switch {
	case err == nil || err == io.EOF:
	case l.Stopped() != nil:
		return nil, l.Stopped()
	default:
		return nil, damaged(path, err)
	}
	var in io.Reader = buffered
	if bytes.HasPrefix(start, gzipMagic) {
		if in, err = gzip.NewReader(in); err != nil {
			return nil, damaged(path, err)
		}
		size = 0 // not known
	}
	if bytes.HasPrefix(start, zstdMagic) {
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			return nil, damaged(path, err)
		}
		defer z.Close()
		in, size = z, 0
	}
	data, err := readAll(l, in, size)
	if err != nil && l.Stopped() == nil {
		return nil, damaged(path, err)
	}
	return data, err
}

func damaged(path string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s is cut off: the compressed file has no end; copy it anew", path)
	}
	return fmt.Errorf("%s: %w; the file is damaged: restore it from a copy", path, err)
}

// readAll reads to the end; size is about how much there is.
func readAll(l history.Limits, in io.Reader, size int64) ([]byte, error) {
	const least = 64 << 10
	size = min(max(size+1, least), mostBytes)
	if err := l.Take(size); err != nil {
		return nil, err
	}
	data := make([]byte, 0, size)
	for {
		if len(data) == cap(data) {
			var err error
			if data, err = history.Grown(l, data); err != nil {
				return nil, err
			}
		}
		n, err := in.Read(data[len(data):min(cap(data), len(data)+1<<20)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		case int64(len(data)) > mostBytes:
			return nil, fmt.Errorf("it holds more than %d GiB; split it by keys", mostBytes>>30)
		case l.Stopped() != nil:
			return nil, l.Stopped()
		}
	}
}

func beginning(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start := make([]byte, detectBytes)
	n, err := io.ReadFull(f, start)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return start[:n], err
}
