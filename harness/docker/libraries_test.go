package docker

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// What ldd tells of Debian's redis-server, shortened; and of a program one of whose libraries is not there.
func TestWhatProgramsLoad(t *testing.T) {
	l := loading{files: map[string]string{"ld-linux-x86-64.so.2": "/lib64/ld-linux-x86-64.so.2"}, loaders: map[string]string{"ld-linux-x86-64.so.2": "/lib64/ld-linux-x86-64.so.2"}}
	require.NoError(t, l.read("\tlinux-vdso.so.1 (0x00007f8f6828e000)\n\tlibatomic.so.1 => /lib/x86_64-linux-gnu/libatomic.so.1 (0x00007f8f68272000)\n"+
		"\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f8f678a5000)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f8f68290000)\n"))
	require.Equal(t, map[string]string{"ld-linux-x86-64.so.2": "/lib64/ld-linux-x86-64.so.2", "libatomic.so.1": "/lib/x86_64-linux-gnu/libatomic.so.1",
		"libc.so.6": "/lib/x86_64-linux-gnu/libc.so.6"}, l.files)
	require.Equal(t, "COPY ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2\nCOPY libatomic.so.1 /system/lib/\nCOPY libc.so.6 /system/lib/\n", l.dockerfile())
	require.EqualError(t, l.read("\tliblzf.so.1 => not found\n"), "liblzf.so.1: not found: install it, or use --cluster local")
}

// A static program loads nothing; one of the machine's own does, and its image is one in which it can start.
func TestProgramsOfTheMachine(t *testing.T) {
	static, err := loadedByAll(map[string]string{"program": compile(t)})
	require.NoError(t, err)
	require.Empty(t, static.files)
	if _, err := exec.LookPath("ldd"); runtime.GOOS != "linux" || err != nil {
		t.Skip("this looks at a dynamic program of the machine: ", err)
	}
	dynamic, err := loadedByAll(map[string]string{"sh": "/bin/sh"})
	require.NoError(t, err)
	require.NotEmpty(t, dynamic.loaders)
	for name, path := range dynamic.files {
		require.True(t, filepath.IsAbs(path), "%s: %s", name, path)
	}
	i, err := newImage(nil, dynamic.files)
	require.NoError(t, err)
	i.linked = true
	require.NoError(t, i.check(runtime.GOARCH))
	i.linked = false
	require.ErrorContains(t, i.check(runtime.GOARCH), "cannot run in a container here")
}
