# shellcheck shell=bash
# shellcheck disable=SC2154 # set by the others
# The ways in which tools.sh gets a tool into the folder $dir. Sourced after toolchain.sh and debian.sh.

# Programs from Debian's packages, unpacked: from_debian SUITE "PROGRAM..." PACKAGE...
from_debian() {
  local suite=$1 programs=$2 name
  shift 2
  if ! command -v apt-get >/dev/null; then
    on_path "$programs"
    return
  fi
  debian_use "$suite" "${architecture:-}" && debian_unpack "$dir" "" "$@" || return 1
  debian_set_programs_aside "$dir"
  mkdir "$dir/usr/kept"
  for name in $programs; do
    mv "$dir/usr/real/$name" "$dir/usr/kept" || return 1
    debian_script "$dir/usr/bin/$name" "real/$name"
  done
  rm -rf "$dir/usr/real"
  mv "$dir/usr/kept" "$dir/usr/real"
}

# A program that cargo compiles for this machine: from_crates_io CRATE VERSION [OPTION...]
from_crates_io() {
  # shellcheck source=/dev/null
  . "$toolchain/env"
  # Outside of the checkout, whose settings are for the module.
  local crate=$1 version=$2
  shift 2
  (cd "$tmp" && cargo install --quiet --locked --target host-tuple --root "$dir/usr" --version "$version" "$@" "$crate")
}

# A Python with packages, and a script for each program that is a module of theirs: from_pypi REQUIREMENTS PROGRAM=MODULE...
# The script python runs that Python with those packages.
from_pypi() {
  local requirements=$root/scripts/requirements/$1.txt python=python3.13 program
  shift
  # Any from 3.11 on will do.
  command -v apt-get >/dev/null || python=python3
  from_debian trixie "$python" python3.13 python3-pip || return 1
  # Wheels only, each with its known hash: nothing is compiled, and nothing but those files is run.
  limit 900 "$dir/usr/bin/$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-input \
    --only-binary :all: --no-deps --require-hashes --target "$dir/usr/packages" --requirement "$requirements" || return 1
  for program in python "$@"; do
    cat >"$dir/usr/bin/${program%%=*}" <<SCRIPT
#!/bin/sh
# Written by the set-up: runs Python with packages from PyPI.
usr=\${0%/*}/..
PYTHONPATH="\$usr/packages" exec "\$usr/bin/$python" -P $([ "$program" = python ] || echo "-m ${program#*=}") "\$@"
SCRIPT
    chmod +x "$dir/usr/bin/${program%%=*}"
  done
}

# Links to what is on the machine: on_path "PROGRAM..."
on_path() {
  local name
  mkdir -p "$dir/usr/bin"
  for name in $1; do
    command -v "$name" >/dev/null || { say "$name is not here"; return 1; }
    ln -s "$(command -v "$name")" "$dir/usr/bin/$name"
  done
}

# A script that runs a program with the libraries beside it: with_libraries NAME PROGRAM
with_libraries() {
  cat >"$dir/usr/bin/$1" <<SCRIPT
#!/bin/sh
# Written by the set-up: runs a program from Debian with the libraries it came with.
usr=\$(cd "\${0%/*}/.." && pwd -P)
for folder in "\$usr"/lib/*-linux-gnu "\$usr"/lib/*-linux-gnu/*/; do LD_LIBRARY_PATH=\${LD_LIBRARY_PATH:+\$LD_LIBRARY_PATH:}\$folder; done
export LD_LIBRARY_PATH FONTCONFIG_FILE="\$usr/fonts.conf"
exec "\$usr/$2" "\$@"
SCRIPT
  chmod +x "$dir/usr/bin/$1"
}
