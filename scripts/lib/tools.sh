# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # set for and by the others
# The tools that tool.sh brings, one function each: the suite, the programs, the packages. Suites are chosen for the
# versions in them. Sourced after ways.sh, which has what is called here.

tool_wasmedge_0_14() { from_debian trixie "wasmedge" wasmedge; }

tool_wasmedge_0_17() { from_debian forky "wasmedge" wasmedge; }

# Runs programs of other architectures.
tool_qemu() { from_debian forky "qemu-aarch64 qemu-x86_64" qemu-user; }

# Tells which system calls WasmEdge makes.
tool_strace() { from_debian trixie "strace" strace; }

# wasm-opt.
tool_binaryen() { from_debian forky "wasm-opt" binaryen; }

# Writes down what a program consists of (CycloneDX).
tool_cargo_cyclonedx() { from_crates_io cargo-cyclonedx 0.5.7; }

# Checks licences, sources and advisories of crates. What it costs to build is more than what it costs to run.
tool_cargo_deny() { on_path cargo-deny 2>/dev/null || from_crates_io cargo-deny 0.20.2 --debug --no-default-features; }

# A C++ compiler: libFuzzer is written in C++, and what has it in it is linked with its library. From the machine's own
# release, as the C compiler of setup.sh is.
tool_cxx() {
  if on_path "c++" 2>/dev/null && echo '#include <mutex>' | c++ -E -x c++ - >/dev/null; then return; fi
  debian_compiler "$dir" g++ cc1plus c++
}

# What stands in front of the server in the tests of what both read of the same bytes.
tool_nginx() {
  if ! command -v apt-get >/dev/null; then
    on_path nginx
    return
  fi
  from_debian trixie "" nginx-light && debian_script "$dir/usr/bin/nginx" sbin/nginx
}

# A library that tells a program another time: libfaketime.so.1, for the machine's own shell and for newer C libraries.
tool_faketime() {
  debian_use bookworm && debian_unpack "$dir" libc6 libfaketime || return 1
  mv "$dir"/usr/lib/*-linux-gnu/faketime/libfaketime.so.1 "$dir/usr/bin"
}

# The load of bench and of the matrix.
tool_wrk() { from_debian forky "wrk" wrk; }

# Kubernetes: builds what an overlay makes of its base.
tool_kustomize() { from_debian trixie "kustomize" kustomize; }

# Checks metrics, and rules for alerts.
tool_promtool() { from_debian forky "promtool" prometheus; }

# A database server and its clients, and openssl for its certificates. Without what compiles queries to native code.
# Programs look for one another beside themselves and for their files from there: so the scripts stand where Debian has them.
tool_postgresql() {
  local programs="initdb pg_basebackup pg_ctl pgbench postgres psql" home name
  if ! command -v apt-get >/dev/null; then
    on_path "$programs openssl"
    return
  fi
  local DEBIAN_EXCLUDE=(./etc ./var './usr/share/[!p]*' './usr/share/p[!o]*' './usr/share/postgresql/*/man'
    './usr/lib/postgresql/*/lib/bitcode' './usr/lib/postgresql/*/lib/llvmjit*' './usr/lib/*/libLLVM*' './usr/lib/*/gconv')
  debian_use trixie && debian_unpack "$dir" "debconf libsasl2-modules-db libselinux1 libuuid1 libxslt1.1 libz3-4 locales \
    openssl-provider-legacy postgresql-client-common postgresql-common readline-common sensible-utils ssl-cert tzdata" \
    openssl postgresql-17 || return 1
  debian_set_programs_aside "$dir"
  home=$dir/usr/lib/postgresql/17
  mv "$home/bin" "$home/real"
  mv "$dir/usr/real/openssl" "$home/real"
  rm -r "$dir/usr/real"
  mv "$dir/usr/bin" "$home"
  ln -s lib/postgresql/17/bin "$dir/usr/bin"
  # Where the scripts look for libraries.
  ln -s "../../../$(cd "$dir/usr/lib" && echo *-linux-gnu)" "$home/lib"
  for name in $programs openssl; do
    [ -x "$home/real/$name" ] || return 1
    debian_script "$home/bin/$name" "real/$name"
  done
}

# What judges manifests and the API's description, and what attacks the API on the ground of that.
tool_validators() {
  from_pypi validators kubernetes-validate=kubernetes_validate openapi-spec-validator=openapi_spec_validator \
    schemathesis=schemathesis.cli
}

# axe-core, which finds what keeps people out of a page: axe.min.js.
tool_axe_core() {
  from_pypi axe-core && ln -s ../packages/axe_playwright_python/axe.min.js "$dir/usr/bin"
}

# A whole Debian in a folder, for scripts/container-system.sh: podman, crun with WasmEdge, podman-compose, nginx for the
# stack, busybox and ldd for images, wrk to measure. The packages' own set-up scripts do not run; the files that
# they would have written and that podman needs are written here.
tool_container_system() {
  local DEBIAN_EXCLUDE=(./usr/share/doc ./usr/share/info ./usr/share/locale ./usr/share/man)
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
