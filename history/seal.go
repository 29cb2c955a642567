package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// SealedSuffix is what a sealed history's name ends in.
const SealedSuffix = ".zst"

// Seal compresses the finished history at path to path + ".zst", removes the plain file and returns the new path. The
// compressed file appears whole or not at all, and only then does the plain one go. Sealing what is sealed does nothing.
func Seal(path string) (string, error) {
	sealed := path + SealedSuffix
	in, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(sealed); err == nil {
			return sealed, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("seal a history: %w", err)
	}
	defer in.Close()
	if err := compress(in, sealed); err != nil {
		return "", fmt.Errorf("seal the history %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return "", fmt.Errorf("seal a history: %w", err)
	}
	return sealed, syncFolder(path)
}

func compress(in io.Reader, path string) (err error) {
	out, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(out.Name())
		}
	}()
	z, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, in); err != nil {
		z.Close()
		return err
	}
	if err := errors.Join(z.Close(), out.Chmod(0o644), out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := os.Rename(out.Name(), path); err != nil {
		return err
	}
	return syncFolder(path)
}
