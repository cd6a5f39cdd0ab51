# shellcheck shell=bash
# Debian's packages, fetched and verified by apt, unpacked into a folder, never installed. Sourced after toolchain.sh.
#
#   debian_use SUITE [ARCHITECTURE]              which packages the next calls are about
#   debian_unpack DIR "NOT NEEDED" PACKAGE...    fetches packages with all that they need
#   debian_script FILE PROGRAM [ARGUMENT...]     a script that runs a program from such a folder
#
# A program for another architecture runs through qemu, when debian_emulator holds the path of one.

# What nothing here uses of the packages.
DEBIAN_EXCLUDE=(./etc ./usr/share './usr/lib/rustlib/wasm32-unknown*' ./usr/lib/rustlib/wasm32-wasip2)

# The Debian archives that apt knows, one "SUITE MIRROR" per line.
debian_archives() {
  # shellcheck disable=SC2016 # apt expands these
  # Without the caches, which root would write to the machine's own folder.
  apt-get -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(CREATED_BY)|$(CODENAME) $(REPO_URI)' |
    sed -n 's/^Debian|Debian|main|Packages|//p' | grep -v ' cdrom:' | sort -u || true
}

# shellcheck disable=SC2154 # tmp is set by toolchain.sh
private_apt() { APT_CONFIG=$tmp/apt/apt.conf "$@"; }

# Sets apt up with folders of its own; finds the mirror, the machine's suite and its architecture.
# The signatures of what apt fetches are checked as always.
debian_prepare() {
  [ -z "${mirror:-}" ] || return 0
  local file archives
  command -v apt-get && command -v dpkg-deb || return 1
  machine_arch=$(dpkg --print-architecture)
  keyring=
  for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    [ ! -r "$file" ] || keyring=$file
  done
  [ -n "$keyring" ] || return 1

  mkdir -p "$tmp/apt/lists/partial" "$tmp/apt/archives/partial"
  : >"$tmp/apt/status"
  {
    # Of the machine's settings those for the network (a proxy, say); hooks would act on the machine.
    apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets::'
    cat <<SETTINGS
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$tmp/apt";
Dir::State::lists "$tmp/apt/lists";
Dir::State::status "$tmp/apt/status";
Dir::Cache "$tmp/apt";
Dir::Log "$tmp/apt";
APT::Get::List-Cleanup "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
SETTINGS
  } >"$tmp/apt/apt.conf"

  archives=$(debian_archives)
  if [ -z "$archives" ]; then
    # Before its first update apt does not know whose archives its addresses are. One that fails may be
    # somebody else's.
    private_apt apt-get update || true
    archives=$(private_apt debian_archives)
  fi
  [ -n "$archives" ] || return 1

  mirror=$(echo "$archives" | sed -n '1s/.* //p')
  own_suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  echo "$archives" | grep -q "^$own_suite " || own_suite=$(echo "$archives" | sed -n '1s/ .*//p')
  cat >>"$tmp/apt/apt.conf" <<SETTINGS
Dir::Etc::sourcelist "$tmp/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
SETTINGS
}

debian_use() {
  debian_prepare || return 1
  arch=${2:-$machine_arch}
  if [ "${used:-}" = "$1 $arch" ]; then return; fi
  # The last one counts.
  printf 'APT::Architecture "%s";\n#clear APT::Architectures;\nAPT::Architectures { "%s"; };\n' "$arch" "$arch" \
    >>"$tmp/apt/apt.conf"
  echo "deb [arch=$arch signed-by=$keyring] $mirror $1 main" >"$tmp/apt/sources.list"
  private_apt apt-get -q -o APT::Update::Error-Mode=any update || return 1
  used="$1 $arch"
}

# Of what the packages need, NOT NEEDED and what only that needs is left out.
debian_unpack() {
  local dir=$1 unneeded=$2 name deb
  shift 2
  # apt does not fetch what it believes to be there.
  for name in $unneeded; do
    printf '%s\n' "Package: $name" "Status: install ok installed" "Architecture: $arch" "Version: 999" \
      "Maintainer: none" "Description: none" ""
  done >"$tmp/apt/status"
  private_apt apt-get -q -y --no-install-recommends --download-only install "$@" || return 1

  # In older releases packages still hold files in /lib and /bin.
  rm -rf "$dir"
  mkdir -p "$dir"/usr/{bin,sbin,lib,lib64}
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$dir/$name"; done
  for deb in "$tmp"/apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" |
      tar -x -C "$dir" --keep-directory-symlink --no-same-owner "${DEBIAN_EXCLUDE[@]/#/--exclude=}" || return 1
    rm "$deb"
  done
}

# Makes room in a folder for scripts in the place of its programs, which move to usr/real.
debian_set_programs_aside() {
  mv "$1/usr/bin" "$1/usr/real"
  mkdir "$1/usr/bin"
  # Beside the scripts that use it: clippy looks for its companion beside the running file, which is the loader.
  # Packages of static programs bring none.
  cp "$1"/usr/lib/*-linux-gnu/ld-linux-*.so.? "$1/usr/bin/loader" || true
}

# Programs of another Debian release need the loader and the C library of that release. This writes a small
# script that runs one with them: debian_script FILE PROGRAM [ARGUMENT...]. In the arguments $usr is the
# folder above the script's.
debian_script() {
  local file=$1 program=$2 usr dir libraries="" start
  shift 2
  usr=$(dirname "$(dirname "$file")")
  for dir in "$usr"/lib/*-linux-gnu "$usr"/lib/llvm-*/lib; do
    [ ! -d "$dir" ] || libraries=$libraries:\$usr/${dir#"$usr/"}
  done
  start="\"\$usr/$program\""
  # Options of the loader: programs started by this one would inherit LD_LIBRARY_PATH, and cargo takes the
  # name it was started by for the way to start it again.
  if [ -e "$usr/bin/loader" ]; then
    start="\"\$usr/bin/loader\" --argv0 \"\$0\" --library-path \"${libraries#:}\" $start"
  fi
  cat >"$file" <<SCRIPT
#!/bin/sh
# Written by the set-up: runs a program from Debian with its own loader and libraries.
usr=\${0%/*}/..
exec ${debian_emulator:+$(quote "$debian_emulator") }$start ${*:+$* }"\$@"
SCRIPT
  chmod +x "$file"
}

# A compiler in a folder of its own: debian_compiler DIR PACKAGE PART NAME... PART is what the driver starts for its
# language, NAME what the driver is called.
debian_compiler() {
  local dir=$1 package=$2 part=$3 name
  shift 3
  debian_prepare && debian_use "$own_suite" && debian_unpack "$dir" "" "$package" libc6-dev || return 1
  debian_set_programs_aside "$dir"
  # shellcheck disable=SC2016 # the script expands $usr
  for name in "$@"; do
    debian_script "$dir/usr/bin/$name" "real/$package" '-B"$usr/helpers/"' '--sysroot="$usr/.."'
  done
  debian_script "$dir/usr/bin/ar" real/ar
  mkdir "$dir/usr/helpers"
  for name in as ld; do debian_script "$dir/usr/helpers/$name" "real/$name"; done
  for name in "$part" collect2 lto-wrapper; do
    debian_script "$dir/usr/helpers/$name" "$(cd "$dir/usr" && echo lib*/gcc/*/*/"$name")"
  done
}
