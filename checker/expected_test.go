package checker

import (
	"context"
	"fmt"
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
	write("file\tformat\tmodel\tverdict\netcd_000.log\tjepsen-log\tcas-register\tvalid\nnone.log\tjepsen-log\tcas-register\tvalid\netcd_002.log\tedn\tcas-register\tvalid\n")
	rows, err := Expected(context.Background(), table, "testdata/histories", Options{})
	require.NoError(t, err)
	for _, row := range rows {
		require.False(t, row.OK(), "%+v", row)
	}
	require.Equal(t, Invalid, rows[0].Got)
	require.Contains(t, rows[1].Err, "no such file")
	require.Contains(t, rows[2].Err, "line 1")

	write("etcd_000.log\tjepsen-log\tvalid\n")
	_, err = Expected(context.Background(), table, "testdata/histories", Options{})
	require.ErrorContains(t, err, "line 1: file, format, model and verdict expected")
	write("a\tb\tc\tgood\n")
	_, err = Expected(context.Background(), table, "testdata/histories", Options{})
	require.ErrorContains(t, err, `verdict "good" does not exist`)
	write("file\tformat\tmodel\tverdict\na\tedn\tstack\tvalid\n")
	_, err = Expected(context.Background(), table, "testdata/histories", Options{})
	require.ErrorContains(t, err, "line 2: no model stack")
	write("a\tedn\tlist-append@none\tvalid\n")
	_, err = Expected(context.Background(), table, "testdata/histories", Options{})
	require.ErrorContains(t, err, "line 1: no isolation level")
	write("a\txml\tset\tvalid\n")
	_, err = Expected(context.Background(), table, "testdata/histories", Options{})
	require.ErrorContains(t, err, `line 1: format "xml" does not exist: one of [ordeal edn edn-lines jepsen-log] expected`)
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

// A table takes every workload that a check of one file does.
func TestExpectedVerdictsOfBanksAndTransactions(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	op := func(process int, f, in, out string) string {
		return fmt.Sprintf("{:process %d, :type :invoke, :f :%s, :value %s}\n{:process %d, :type :ok, :f :%s, :value %s}\n", process, f, in, process, f, out)
	}
	first, transfer := op(0, "read", "nil", "{0 10, 1 10}"), op(1, "transfer", "{:from 0, :to 1, :amount 5}", "{:from 0, :to 1, :amount 5}")
	write("bank.edn", first+transfer+op(0, "read", "nil", "{0 5, 1 15}"))
	write("stale.edn", first+transfer+op(0, "read", "nil", "{0 10, 1 10}"))
	write("lost.edn", transfer+op(0, "read", "nil", "{0 5, 1 15}")+op(0, "read", "nil", "{0 5, 1 10}"))
	write("list.edn", op(0, "txn", "[[:append 1 1]]", "[[:append 1 1]]")+op(1, "txn", "[[:r 1 nil]]", "[[:r 1 nil]]"))
	write("blind.edn", op(0, "txn", "[[:w 1 1]]", "[[:w 1 1]]")+op(1, "txn", "[[:r 1 nil]]", "[[:r 1 nil]]"))
	write("register.edn", op(0, "write", "1", "1")+op(1, "read", "nil", "2"))
	write("expected.tsv", "bank.edn\tedn\tbank\tvalid\nstale.edn\tedn\tbank\tinvalid\nlost.edn\tedn\tbank\tinvalid\n"+
		"list.edn\tedn\tlist-append\tinvalid\nlist.edn\tedn\tlist-append@serializable\tvalid\n"+
		"blind.edn\tedn\trw-register\tinvalid\nblind.edn\tedn\trw-register@serializable\tvalid\nregister.edn\tedn\tregister\tinvalid\n")
	rows, err := Expected(context.Background(), filepath.Join(folder, "expected.tsv"), folder, Options{})
	require.NoError(t, err)
	require.Len(t, rows, 8)
	for _, row := range rows {
		require.True(t, row.OK(), "%+v", row)
	}
}
