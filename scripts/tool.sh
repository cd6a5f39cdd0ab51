#!/usr/bin/env bash
# Brings a tool that only some targets need, and prints the folder of its programs: tool.sh NAME [ARCHITECTURE]
#
# Tools come from Debian's packages, unpacked into .toolchain/tools, from crates.io and from PyPI. Where there is no apt,
# the programs of the first are expected on PATH. `tool.sh` alone lists the names.

set -euo pipefail

# shellcheck source=scripts/lib/toolchain.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/toolchain.sh"
# shellcheck source=scripts/lib/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/debian.sh"

# One function per tool: the suite, the programs, the packages. Suites are chosen for the versions in them.

tool_wasmedge_0_14() { from_debian trixie "wasmedge" wasmedge; }

tool_wasmedge_0_17() { from_debian forky "wasmedge" wasmedge; }

# Runs programs of other architectures.
tool_qemu() { from_debian forky "qemu-aarch64 qemu-x86_64" qemu-user; }

# wasm-opt.
tool_binaryen() { from_debian forky "wasm-opt" binaryen; }

# Writes down what a program consists of (CycloneDX).
tool_cargo_cyclonedx() { from_crates_io cargo-cyclonedx 0.5.7; }

# The load of bench and of the matrix.
tool_wrk() { from_debian forky "wrk" wrk; }

# Kubernetes: builds what an overlay makes of its base.
tool_kustomize() { from_debian trixie "kustomize" kustomize; }

# Kubernetes: holds manifests against the schemas, which it brings along. The packages are what it needs of Debian; it
# is itself only on PyPI.
tool_kubernetes_validate() {
  if ! command -v apt-get >/dev/null; then
    on_path "kubernetes-validate"
    return
  fi
  from_debian trixie "python3 python3.13" python3 python3-pip python3-importlib-resources python3-jsonschema python3-packaging \
    python3-referencing python3-typing-extensions python3-yaml || return 1
  local python="$dir/usr/bin/python3" wheel="kubernetes-validate==1.37.0"
  wheel="$wheel --hash=sha256:85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9"
  echo "$wheel" >"$tmp/requirements.txt"
  # What would find its libraries by the path of the program finds a loader there.
  sed -i "s|^usr=.*|&\nexport PYTHONHOME=\"\$usr\" PYTHONDONTWRITEBYTECODE=1|" "$python"
  "$python" -m pip install --no-deps --only-binary :all: --require-hashes -r "$tmp/requirements.txt" \
    --target "$dir/usr/lib/python3/dist-packages" || return 1
  cat >"$dir/usr/bin/kubernetes-validate" <<'SCRIPT'
#!/bin/sh
# Written by the set-up.
exec "${0%/*}/python3" -m kubernetes_validate "$@"
SCRIPT
  chmod +x "$dir/usr/bin/kubernetes-validate"
}

# A whole Debian in a folder, for scripts/container-system.sh: podman, crun with WasmEdge, podman-compose, nginx for the
# stack, busybox and ldd for images, wrk to measure. The packages' own set-up scripts do not run; the files that
# they would have written and that podman needs are written here.
tool_container_system() {
  local name DEBIAN_EXCLUDE=(./usr/share/doc ./usr/share/info ./usr/share/locale ./usr/share/man)
  debian_use trixie && debian_unpack "$dir" "adduser debconf dpkg gnupg init-system-helpers" \
    aardvark-dns bash busybox catatonit coreutils crun findutils grep iproute2 libc-bin mount netavark nftables nginx-light \
    podman podman-compose procps sed tar util-linux wasmedge wrk || return 1
  ln -s mawk "$dir/usr/bin/awk"
  mkdir -p "$dir"/{old,repository,var/lib/containers,etc/containers/networks}
  echo "127.0.0.1 localhost" >"$dir/etc/hosts"
  : >"$dir/etc/resolv.conf"
  echo "root:x:0:0:root:/root:/bin/bash" >"$dir/etc/passwd"
  echo "root:x:0:" >"$dir/etc/group"
}

# Checks metrics, and rules for alerts.
tool_promtool() { from_debian forky "promtool" prometheus; }

# The validator of OpenAPI documents, and schemathesis. Any Python from 3.11 on will do for them.
tool_openapi() {
  local python=python3.13
  command -v apt-get >/dev/null || python=python3
  from_debian trixie "$python" python3.13 python3-pip &&
    from_pypi openapi openapi-spec-validator=openapi_spec_validator schemathesis=schemathesis.cli
}

# from_crates_io CRATE VERSION
from_crates_io() {
  # shellcheck source=/dev/null
  . "$toolchain/env"
  # For this machine, whatever the checkout builds for.
  (cd "$tmp" && cargo install --quiet --locked --target host-tuple --root "$dir/usr" --version "$2" "$1")
}

# A browser and its WebDriver, with fonts for Latin and Korean. Both run with the machine's own C library, as their helpers
# start one another without a loader of our choice: so they come from the machine's own release.
tool_chromium() {
  if on_path "chromium chromedriver"; then return; fi
  local DEBIAN_EXCLUDE=(./etc ./usr/share/{doc,icons,locale,man})
  debian_prepare && debian_use "$own_suite" &&
    debian_unpack "$dir" libc6 chromium chromium-driver fonts-dejavu-core fonts-nanum || return 1
  mkdir "$dir/usr/real"
  mv "$dir/usr/bin/chromedriver" "$dir/usr/real"
  with_libraries chromium lib/chromium/chromium
  with_libraries chromedriver real/chromedriver
  cat >"$dir/usr/fonts.conf" <<'CONFIG'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias><family>system-ui</family><prefer><family>DejaVu Sans</family><family>NanumGothic</family></prefer></alias>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family><family>NanumGothic</family></prefer></alias>
</fontconfig>
CONFIG
}

# axe-core, which finds what keeps people out of a page: axe.min.js.
tool_axe_core() {
  local python=python3.13
  command -v apt-get >/dev/null || python=python3
  from_debian trixie "$python" python3.13 python3-pip && from_pypi axe-core || return 1
  ln -s ../packages/axe_playwright_python/axe.min.js "$dir/usr/bin"
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

# from_debian SUITE "PROGRAM..." PACKAGE...
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

# Adds packages to the Python in the same tool: from_pypi REQUIREMENTS PROGRAM=MODULE...
from_pypi() {
  local requirements=$root/scripts/requirements/$1.txt python program
  shift
  python=$(cd "$dir/usr/bin" && echo python3*)
  # Wheels only, each with its known hash: nothing is compiled, and nothing but those files is run.
  limit 900 "$dir/usr/bin/$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-input \
    --only-binary :all: --no-deps --require-hashes --target "$dir/usr/packages" --requirement "$requirements" || return 1
  for program in "$@"; do
    cat >"$dir/usr/bin/${program%%=*}" <<SCRIPT
#!/bin/sh
# Written by the set-up: runs a program from PyPI.
usr=\${0%/*}/..
PYTHONPATH="\$usr/packages" exec "\$usr/bin/$python" -P -m ${program#*=} "\$@"
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

names() { declare -F | sed -n 's/^declare -f tool_//p' | tr _ - | sed 's/-\([0-9][0-9]*\)-\([0-9]\)/-\1.\2/'; }

if [ $# -eq 0 ]; then
  names
  exit
fi
name=$1
architecture=${2:-}
function=tool_$(printf '%s' "$name" | tr -c 'a-z0-9' _)
if ! declare -F "$function" >/dev/null; then
  echo "tool: there is no $name; there are: $(names | tr '\n' ' ')" >&2
  exit 2
fi

result=$toolchain/tools/$name${architecture:+-$architecture}
dir=$tmp/tool
# A tool whose recipe has changed is brought anew.
recipe=$(
  {
    declare -f "$function" from_debian from_crates_io from_pypi on_path debian_unpack debian_script

    declare -f "$function" from_debian from_crates_io from_pypi on_path with_libraries debian_unpack debian_script
    cat "$root/scripts/requirements/$name.txt" 2>/dev/null || true
  } | cksum
)
is_there() { [ "$(cat "$result/recipe" 2>/dev/null)" = "$recipe" ]; }

print_and_succeed() { is_there && echo "$result/usr/bin"; }

if print_and_succeed; then exit; fi

debian_emulator=
if [ -n "$architecture" ] && [ "$architecture" != "$(dpkg --print-architecture)" ]; then
  case $architecture in
    arm64) debian_emulator=$("$0" qemu)/qemu-aarch64 ;;
    amd64) debian_emulator=$("$0" qemu)/qemu-x86_64 ;;
    *) say "no emulator for $architecture"; exit 1 ;;
  esac
fi

begin print_and_succeed
if ! step "$name${architecture:+ for $architecture}" "$function"; then
  say "could not bring $name (details: $log)"
  exit 1
fi
echo "$recipe" >"$dir/recipe"
mkdir -p "$toolchain/tools"
rm -rf "$result"
mv "$dir" "$result"
echo "$result/usr/bin"
