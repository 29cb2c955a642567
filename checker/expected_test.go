package checker

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpectedVerdictsOfRecordedHistories(t *testing.T) {
	rows, err := Expected(context.Background(), "testdata/histories/expected.tsv", "testdata/histories", Options{})
	require.NoError(t, err)
	require.Len(t, rows, 8)
	for _, row := range rows {
		require.True(t, row.OK(), "%+v", row)
		require.NotEmpty(t, row.DecidedBy)
	}
}

func TestExpectedSeesAWrongVerdict(t *testing.T) {
	table := filepath.Join(t.TempDir(), "expected.tsv")
	write := func(text string) { require.NoError(t, os.WriteFile(table, []byte(text), 0o644)) }
	write("file\tformat\tmodel\tverdict\netcd_000.log\tjepsen-log\tcas-register\tvalid\nnone.log\tjepsen-log\tcas-register\tvalid\netcd_002.log\tedn\tcas-register\tvalid\netcd_002.log\tjepsen-log\tstack\tvalid\n")
	rows, err := Expected(context.Background(), table, "testdata/histories", Options{})
	require.NoError(t, err)
	for _, row := range rows {
		require.False(t, row.OK(), "%+v", row)
	}
	require.Equal(t, Invalid, rows[0].Got)
	require.Contains(t, rows[1].Err, "no such file")
	require.Contains(t, rows[2].Err, "line 1")
	require.Contains(t, rows[3].Err, "no model stack")

	write("etcd_000.log\tjepsen-log\tvalid\n")
	_, err = Expected(context.Background(), table, "testdata/histories", Options{})
	require.ErrorContains(t, err, "line 1: file, format, model and verdict expected")
	write("a\tb\tc\tgood\n")
	_, err = Expected(context.Background(), table, "testdata/histories", Options{})
	require.ErrorContains(t, err, `verdict "good" does not exist`)
	write("")
	_, err = Expected(context.Background(), table, "testdata/histories", Options{})
	require.ErrorContains(t, err, "lists no file")
}

// Jepsen reads a set with the same word as a register, and drains queues: a table judges them as a check of one file does.
func TestExpectedVerdictsOfJepsensObjects(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	add := "{:process 0, :type :invoke, :f :add, :value 1}\n{:process 0, :type :ok, :f :add, :value 1}\n"
	write("read.edn", add+"{:process 1, :type :invoke, :f :read}\n{:process 1, :type :ok, :f :read, :value #{1}}\n")
	write("missed.edn", add+"{:process 1, :type :invoke, :f :read}\n{:process 1, :type :ok, :f :read, :value #{}}\n")
	put := "{:process 0, :type :invoke, :f :enqueue, :value 1}\n{:process 0, :type :ok, :f :enqueue, :value 1}\n"
	write("drained.edn", put+"{:process 1, :type :invoke, :f :drain}\n{:process 1, :type :ok, :f :drain, :value [1]}\n")
	write("lost.edn", put+"{:process 1, :type :invoke, :f :drain}\n{:process 1, :type :ok, :f :drain, :value []}\n")
	write("expected.tsv", "read.edn\tedn\tset\tvalid\nmissed.edn\tedn\tset\tinvalid\n"+
		"drained.edn\tedn\tqueue\tvalid\nlost.edn\tedn\tqueue\tinvalid\n")
	rows, err := Expected(context.Background(), filepath.Join(folder, "expected.tsv"), folder, Options{})
	require.NoError(t, err)
	require.Len(t, rows, 4)
	for _, row := range rows {
		require.True(t, row.OK(), "%+v", row)
	}
}
