#!/bin/sh
# build.sh NAME@VERSION FOLDER: build a system's program from the module in systems/NAME/builds/vVERSION into FOLDER/NAME@VERSION, static, so
# that an image from scratch can hold it. The module's go.sum says what it is built from, and its `tool` line which
# program, unless the program is the module's own.
set -eu
name=${1%@*} version=${1#*@}
module=$(dirname "$0")/$name/builds/v$version
[ -f "$module/go.mod" ] || { echo "systems/build.sh: there is no module for $1: $module is missing" >&2; exit 1; }
mkdir -p "$2"
output=$(cd "$2" && pwd)/$name@$version
cd "$module"
program=.
[ -f main.go ] || program=$(go list -f '{{.ImportPath}}' tool)
flags='-s -w'
if grep -qs '^// cgo' go.mod; then # a C compiler is needed
  export CGO_ENABLED=1
  flags="$flags -linkmode external -extldflags -static"
else
  export CGO_ENABLED=0
fi
[ -e "$output" ] && [ -z "$(find . -type f -newer "$output")" ] && exit 0
echo "building $1"
go build -trimpath -tags osusergo,netgo,sqlite_omit_load_extension -ldflags "$flags" -o "$output" "$program"
