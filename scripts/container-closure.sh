#!/usr/bin/env bash
# Copies programs with all the libraries that they load into a folder, as the root of an image: container-closure.sh
# FOLDER PROGRAM...
#
# Programs are named by their path, and every file keeps the path that it has.

set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: $0 FOLDER PROGRAM..." >&2
  exit 2
fi
folder=$1
shift

# /bin, /lib and the like are links to folders in /usr: the loader is asked for in /lib64.
mkdir -p "$folder"/usr/{bin,sbin,lib,lib64}
for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$folder/$name"; done

for program in "$@"; do
  # One library per line: NAME => PATH (ADDRESS), or PATH (ADDRESS) for the loader.
  libraries=$(ldd "$program" | sed -n 's/^.*[[:blank:]]\(\/[^ ]*\) (0x.*$/\1/p')
  for file in "$program" $libraries; do
    file=$(cd "$(dirname "$file")" && pwd -P)/$(basename "$file")
    [ -e "$folder$file" ] || install -D "$(readlink -f "$file")" "$folder$file"
  done
done
