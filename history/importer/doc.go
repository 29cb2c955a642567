// Package importer reads the histories other tools recorded: Jepsen's, as EDN or as lines of its log, and the key-value
// logs of porcupine's tests. Their operations get the names and shapes ordeal records (get, put, cas), so that one model
// judges all; see the functions for the details. Ordeal's own files are read as well, so that a command can take any.
//
// A line that cannot be read is an error that names it; no line that may hold an operation is left out.
package importer
